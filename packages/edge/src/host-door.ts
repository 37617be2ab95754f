import { isNobodysHost, VPC_ORIGIN } from '@mux/contract'
import { rememberByName } from './by-name.ts'

/** What is used of a binding of the Worker that leads to a host by itself (a VPC service, say). */
export interface Fetcher {
  fetch(url: string, init: RequestInit): Promise<Response>
}

/** An Access service token, by which a Worker gets through to hosts that Cloudflare Access stands before. */
export interface ServiceToken {
  id: string
  secret: string
}

export interface HostDoors {
  /** The bindings of the Worker by name. */
  bindings: Readonly<Record<string, unknown>>
  serviceToken: ServiceToken | undefined
}

/** How one host is reached. */
export interface HostDoor {
  /** Undefined: by the network. */
  fetcher: Fetcher | undefined
  /** What stands before the path in a URL of the host. */
  base: string
  /** Headers for whatever stands before the gateway; the gateway itself drops them. Names and values in turn. */
  headers: readonly string[]
}

const NO_HEADERS: readonly string[] = []

/**
 * The way to the host of an origin; undefined when it names a binding that this Worker does not have, or where no host can be. A binding leads to
 * one place, whatever the URL says. The service token goes by TLS only.
 */
export function doorTo(origin: string, { bindings, serviceToken }: HostDoors): HostDoor | undefined {
  if (origin.startsWith(VPC_ORIGIN)) {
    const fetcher = bindings[origin.slice(VPC_ORIGIN.length)]
    return isFetcher(fetcher) ? { fetcher, base: 'http://mux-host', headers: NO_HEADERS } : undefined
  }
  if (!canBeAt(origin)) return undefined
  const headers =
    serviceToken === undefined || !origin.startsWith('https:')
      ? NO_HEADERS
      : ['CF-Access-Client-Id', serviceToken.id, 'CF-Access-Client-Secret', serviceToken.secret]
  return { fetcher: undefined, base: origin, headers }
}

/** The registry is only as good as whoever writes it, and a signed request says more than others shall hear. */
const canBeAt = rememberByName((origin) => URL.canParse(origin) && !isNobodysHost(new URL(origin).hostname))

function isFetcher(binding: unknown): binding is Fetcher {
  return (
    typeof binding === 'object' &&
    binding !== null &&
    'fetch' in binding &&
    typeof binding.fetch === 'function'
  )
}
