import { CloudflareError, type CloudflareApi } from '@mux/edge/registry'

/** What of Cloudflare's API is asked about Workers and what belongs to them. @throws {CloudflareError} from every method */
export interface CloudflareWorkers {
  /** The versions that have answered everything of late, each once, the present one first; none where there is no such Worker. */
  versions(worker: string): Promise<string[]>
  /** With what a version was marked when it was uploaded; undefined: with nothing. */
  tagOf(worker: string, version: string): Promise<string | undefined>
  /**
   * Has one version answer everything.
   * @param force even if secrets have changed since it was uploaded; without it, that is refused: {@link isSecretsChanged}
   */
  deployVersion(worker: string, version: string, options: { message: string; force: boolean }): Promise<void>
  /** The Worker that has a host name as its own; undefined: none. */
  ownerOf(domain: string): Promise<string | undefined>
  /** The name under workers.dev that the Workers of the account are under; undefined: it has none. */
  subdomain(): Promise<string | undefined>
  namespaces(): Promise<{ id: string; title: string }[]>
  /** @returns its id */
  createNamespace(title: string): Promise<string>
}

/** The most namespaces of one page, and of an account (https://developers.cloudflare.com/kv/platform/limits/). */
const PAGE = 100
const MOST_NAMESPACES = 1000
/** How the API numbers that a version was uploaded with other secrets than the Worker has now. */
const SECRETS_CHANGED = 10_220

/** The accounts for which a token is good. @throws {CloudflareError} */
export async function accountsOf({ call, again }: CloudflareApi): Promise<{ id: string; name: string }[]> {
  const { result } = await again(() => call('GET', '/accounts?per_page=50'))
  return itemsOf(result).map(({ id, name }) => ({ id: textOf(id), name: textOf(name) }))
}

export function createCloudflareWorkers({ call, again }: CloudflareApi, account: string): CloudflareWorkers {
  const root = `/accounts/${encodeURIComponent(account)}`
  const script = (worker: string) => `${root}/workers/scripts/${encodeURIComponent(worker)}`
  const get = async (path: string) => (await again(() => call('GET', path))).result

  return {
    async versions(worker) {
      const result = await get(`${script(worker)}/deployments`).catch(orNothing)
      if (result === undefined) return []
      const deployments = itemsOf(fieldsOf(result)['deployments'])
      return [...new Set(deployments.flatMap(wholeVersion))]
    },

    async tagOf(worker, version) {
      const result = await get(`${script(worker)}/versions/${encodeURIComponent(version)}`)
      const { annotations } = fieldsOf(result)
      const tag = annotations === undefined ? undefined : fieldsOf(annotations)['workers/tag']
      return typeof tag === 'string' ? tag : undefined
    },

    async deployVersion(worker, version, { message, force }) {
      await again(() =>
        call('POST', `${script(worker)}/deployments${force ? '?force=true' : ''}`, {
          strategy: 'percentage',
          versions: [{ version_id: version, percentage: 100 }],
          annotations: { 'workers/message': message },
        }),
      )
    },

    async ownerOf(domain) {
      const found = itemsOf(await get(`${root}/workers/domains?hostname=${encodeURIComponent(domain)}`))
      const one = found.find(({ hostname }) => hostname === domain)
      return one && textOf(one['service'])
    },

    async subdomain() {
      const result = await get(`${root}/workers/subdomain`).catch(orNothing)
      return result === undefined ? undefined : textOf(fieldsOf(result)['subdomain'])
    },

    async namespaces() {
      const found: { id: string; title: string }[] = []
      for (let page = 1; ; page += 1) {
        const items = itemsOf(await get(`${root}/storage/kv/namespaces?per_page=${PAGE}&page=${page}`))
        found.push(...items.map(({ id, title }) => ({ id: textOf(id), title: textOf(title) })))
        if (items.length < PAGE || found.length >= MOST_NAMESPACES) return found
      }
    },

    async createNamespace(title) {
      // Not again: one that was made, and of which the answer was lost, is found by its title the next time.
      const { result } = await call('POST', `${root}/storage/kv/namespaces`, { title })
      return textOf(fieldsOf(result)['id'])
    },
  }
}

/** True for the refusal to deploy a version that was uploaded with other secrets. */
export function isSecretsChanged(error: unknown): boolean {
  return error instanceof CloudflareError && error.number === SECRETS_CHANGED
}

function orNothing(error: unknown): undefined {
  if (error instanceof CloudflareError && error.code === 'cloudflare_not_found') return undefined
  throw error
}

/** The version that a deployment has answer everything; none where several share it. */
function wholeVersion({ versions }: Record<string, unknown>): string[] {
  const shares = itemsOf(versions)
  return shares.length === 1 ? [textOf(shares[0]!['version_id'])] : []
}

function itemsOf(result: unknown): Record<string, unknown>[] {
  if (Array.isArray(result)) return result.map(fieldsOf)
  throw garbled()
}

function fieldsOf(result: unknown): Record<string, unknown> {
  if (typeof result === 'object' && result !== null) return result as Record<string, unknown>
  throw garbled()
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  throw garbled()
}

function garbled(): CloudflareError {
  return new CloudflareError('cloudflare_garbled', 'The answer of Cloudflare is not what its API gives.')
}
