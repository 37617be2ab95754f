import type { CloudflareWorkers } from '../cloudflare-workers.ts'
import { CliError } from '../errors.ts'
import { type WorkerConfig, WORKERS_DEV } from '../worker-config.ts'

/**
 * Where a Worker serves, as URLs that can be asked: a route of many host names (`*.example.com/*`) is none.
 * @throws {CliError} `usage` when it is to serve under a name that the account does not have; {@link CloudflareError}
 */
export async function workerUrls(
  cloud: Pick<CloudflareWorkers, 'subdomain'>,
  { name, customDomains, routes, workersDev }: WorkerConfig,
): Promise<string[]> {
  const own = workersDev ? [`${name}.${await subdomainOf(cloud)}.${WORKERS_DEV}`] : []
  const hosts = [...customDomains, ...routes, ...own].filter((host) => !host.includes('*'))
  return hosts.map((host) => `https://${host}`)
}

async function subdomainOf(cloud: Pick<CloudflareWorkers, 'subdomain'>): Promise<string> {
  const subdomain = await cloud.subdomain()
  if (subdomain !== undefined) return subdomain
  throw new CliError('usage', 'The account has no name under workers.dev yet.', {
    hint: 'Choose one at https://dash.cloudflare.com under Workers & Pages, or give a domain: --domain mux.example.com',
  })
}
