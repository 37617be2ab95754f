import { BlockList, isIP, isIPv6 } from 'node:net'
import { withoutMapping } from './client-network.ts'

/** The addresses that share their first `prefix` bits with `address`. */
export interface Network {
  address: string
  prefix: number
}

/** Where a request comes from, as the proxies before us tell it. */
export interface Origin {
  peer: string
  scheme: 'http' | 'https'
  /** Undefined: as the request's `Host` says. */
  host: string | undefined
}

/** The proxies whose word about where a request comes from is taken (`edge.trusted_proxies`). */
export class TrustedProxies {
  readonly #networks = new BlockList()

  constructor(networks: readonly Network[]) {
    for (const { address, prefix } of networks) this.#networks.addSubnet(address, prefix, familyOf(address))
  }

  has(address: string): boolean {
    const plain = withoutZone(address)
    return isIP(plain) !== 0 && this.#networks.check(plain, familyOf(plain))
  }

  /**
   * The origin of a request that such a proxy sent.
   *
   * `X-Forwarded-For` is read from its end, since each proxy adds whom it saw and anybody can write what stands before
   * that: the client is the first address that is no proxy of ours. Of the other two, the last value counts, which is
   * what the proxy nearest to us said.
   * @param connection what is seen of the connection itself
   * @param values of a header by its lower-case name, one for each line
   */
  originOf(connection: Omit<Origin, 'host'>, values: (lowerName: string) => readonly string[]): Origin {
    const proto = lastOf(values('x-forwarded-proto'))?.toLowerCase()
    return {
      peer: this.#client(connection.peer, values('x-forwarded-for')),
      scheme: proto === 'http' || proto === 'https' ? proto : connection.scheme,
      host: lastOf(values('x-forwarded-host')),
    }
  }

  #client(peer: string, chains: readonly string[]): string {
    let client = peer
    for (const text of membersOf(chains).toReversed()) {
      if (!this.has(client)) break
      const address = addressIn(text)
      if (address === undefined) break
      client = address
    }
    return client
  }
}

/** An IPv4 address that comes through a socket for both families, as itself; `address` is as the kernel writes it. */
export function unmapped(address: string): string {
  return address.startsWith('::ffff:') ? address.slice(7) : address
}

function lastOf(values: readonly string[]): string | undefined {
  return membersOf(values).at(-1)
}

function membersOf(values: readonly string[]): string[] {
  return values.length === 0
    ? []
    : values
        .join(',')
        .split(',')
        .map((text) => text.trim())
}

/** An address, which some proxies write with a port; undefined for anything else, such as `unknown`. */
function addressIn(text: string): string | undefined {
  const match = /^\[([\da-fA-F:.]+)\](?::\d{1,5})?$|^(\d+\.\d+\.\d+\.\d+):\d{1,5}$/.exec(text)
  const address = match?.[1] ?? match?.[2] ?? text
  return isIP(address) === 0 ? undefined : withoutMapping(withoutZone(address))
}

function withoutZone(address: string): string {
  const mark = address.indexOf('%')
  return mark < 0 ? address : address.slice(0, mark)
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv6(address) ? 'ipv6' : 'ipv4'
}
