import type { RegistryChange, RegistryStore } from '@mux/edge/registry'
import { CliError, toCliError } from './errors.ts'
import { kvFlagsOf } from './kv-flags.ts'
import { openNamespace } from './kv-namespace.ts'
import type { NotedChange } from './noted-changes.ts'
import { withLock } from './project-lock.ts'
import type { Project } from './project.ts'

/** How many records are named. */
const NAMED = 10

/**
 * Writes the records that were changed here to Workers KV, as they are here now: of two commands at a time, the one that
 * comes to this last writes what both have done.
 * @param tell told whenever Cloudflare is waited for
 * @throws {CliError} `registry_behind`; all of it is here, and `mux registry push` takes it there
 */
export async function publishToKv(
  project: Project,
  here: RegistryStore,
  changed: readonly NotedChange[],
  tell: (text: string) => void,
): Promise<void> {
  try {
    const { registry: kv } = await openNamespace(project, kvFlagsOf(process.env), process.env, tell)
    await withLock(project, 'push', async () => {
      const changes = await Promise.all(changed.map((change) => asItIs(here, change)))
      await kv.change(() => ({ changes, result: undefined }))
    })
  } catch (error) {
    throw behind(changed, error)
  }
}

async function asItIs(here: RegistryStore, { kind, name }: NotedChange): Promise<RegistryChange> {
  return { kind, name, record: (await here.read(kind, name)) ?? null } as RegistryChange
}

function behind(changed: readonly NotedChange[], cause: unknown): CliError {
  const { message, hint } = toCliError(cause)
  const names = changed.map(({ kind, name }) => `${kind} ${name}`)
  const more = names.length > NAMED ? [`and ${names.length - NAMED} more`] : []
  // What the API itself fails with is hinted at with the command that was given, which has done its part.
  const first = cause instanceof CliError && hint !== null ? `${hint} Then` : 'To take it there'
  return new CliError('registry_behind', `It is done here, and Workers KV may not have it yet: ${message}`, {
    hint: `${first}: mux registry push`,
    details: [...names.slice(0, NAMED), ...more],
    cause,
  })
}
