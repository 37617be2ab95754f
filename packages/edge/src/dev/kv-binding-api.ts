import type { KvApi } from '../registry/kv-api.ts'

/** What is used of a namespace of Workers KV where it is bound, and not reached over the REST API. */
export interface KvBinding {
  get(key: string): Promise<string | null>
  put(key: string, value: string, options: { metadata?: unknown }): Promise<void>
  delete(key: string): Promise<void>
  list(options: {
    prefix: string
    cursor?: string
  }): Promise<{ keys: { name: string }[]; list_complete: boolean; cursor?: string }>
}

/** One namespace as {@link KvApi} has it, by its binding. */
export function kvBindingApi(binding: KvBinding): KvApi {
  return {
    async list(prefix) {
      const names: string[] = []
      let cursor: string | undefined
      do {
        const page = await binding.list({ prefix, ...(cursor === undefined ? {} : { cursor }) })
        names.push(...page.keys.map(({ name }) => name))
        cursor = page.list_complete ? undefined : page.cursor
      } while (cursor !== undefined)
      return names
    },
    get: (keys) => Promise.all(keys.map((key) => binding.get(key))),
    async put(pairs) {
      await Promise.all(pairs.map(({ key, value, metadata }) => binding.put(key, value, { metadata })))
    },
    async delete(keys) {
      await Promise.all(keys.map((key) => binding.delete(key)))
    },
  }
}
