import { Resolver } from 'node:dns/promises'
import type { CloudflareWorkers } from '../cloudflare-workers.ts'

/** What a host name is now that is to be a Worker's. */
export interface DomainCheck {
  domain: string
  /** Whether it is that Worker's already. */
  isOurs: boolean
  /** What would be taken away from where it leads to; undefined: nothing. */
  problem: string | undefined
}

/** How long a name server may take, in milliseconds. */
const LIMIT = 2_000

/**
 * Looks what host names lead to now. wrangler, when it can ask nobody, takes them from whatever has them.
 * @throws {CloudflareError}
 */
export async function checkDomains(
  cloud: CloudflareWorkers,
  worker: string,
  domains: readonly string[],
): Promise<DomainCheck[]> {
  return Promise.all(
    domains.map(async (domain) => {
      const owner = await cloud.ownerOf(domain)
      if (owner === worker) return { domain, isOurs: true, problem: undefined }
      if (owner !== undefined)
        return { domain, isOurs: false, problem: `${domain} is taken from the Worker ${owner}` }
      const address = await addressOf(domain)
      const problem = address && `${domain} leads to ${address} now, and to the Worker afterwards`
      return { domain, isOurs: false, problem }
    }),
  )
}

/** Undefined as well where no name server answers: then nothing is known to be lost. */
async function addressOf(domain: string): Promise<string | undefined> {
  const resolver = new Resolver({ timeout: LIMIT, tries: 1 })
  const [address] = await resolver.resolve4(domain).catch(() => resolver.resolve6(domain).catch(() => []))
  return address
}
