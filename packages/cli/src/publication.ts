import { type KnownUser, RecordError, type UserName } from '@mux/contract'
import type { RegistryChange, RegistryStore } from '@mux/edge/registry'
import { CliError, toCliError } from './errors.ts'
import { kvFlagsOf } from './kv-flags.ts'
import { openNamespace } from './kv-namespace.ts'
import type { NotedChange } from './noted-changes.ts'
import { tellOfUsers, type ToldHost } from './operations/tell-of-users.ts'
import { withLock } from './project-lock.ts'
import type { ProjectRole } from './project-role.ts'
import type { Project } from './project.ts'

/** How many records are named. */
const NAMED = 10
/**
 * How long KV is given a start before the hosts are told, in milliseconds: from then on they refuse what it still gives, so that
 * it should have the new. Where it fails, they are told all the same.
 */
const HEAD_START = 3_000

/** What became of changes elsewhere. */
export interface Published {
  /** The hosts that were told of users whose records changed, and those that were not. */
  hosts: ToldHost[]
  /** Null: KV has them, or is not where the edge reads. */
  failure: CliError | null
}

/**
 * Carries records that were changed here to Workers KV, where the edge reads that, and tells the hosts.
 * @param carry `hosts`: to these alone; `in-order`: to them only when KV has it
 * @param waitFor returns only when each host has been told, for up to a minute; of this user also where nothing was changed
 * @param tell told whenever Cloudflare is waited for
 */
export async function publish(
  project: Project,
  here: RegistryStore,
  role: ProjectRole,
  changed: readonly NotedChange[],
  {
    carry,
    waitFor,
    tell,
  }: { carry: 'all' | 'hosts' | 'in-order'; waitFor: UserName | undefined; tell: (text: string) => void },
): Promise<Published> {
  const written =
    role.registry === 'kv' && carry !== 'hosts' && changed.length > 0
      ? writeToKv(project, here, changed, tell).then(
          () => null,
          (error: unknown) => behind(changed, error),
        )
      : Promise.resolve(null)
  const users = await knownUsers(here, changed)
  const awaited = waitFor === undefined ? undefined : await here.read('user', waitFor)
  if (awaited && !users.some(({ name }) => name === waitFor))
    users.push({ name: waitFor!, version: awaited.version })
  if (carry === 'in-order') {
    const failure = await written
    if (failure !== null) return { hosts: [], failure }
  }
  await Promise.race([written, new Promise((resolve) => setTimeout(resolve, HEAD_START).unref())])
  const [failure, hosts] = await Promise.all([
    written,
    tellOfUsers(project, here, role, users, waitFor !== undefined),
  ])
  return { hosts, failure }
}

/**
 * Writes records as they are here now: of two commands at a time, the one that comes to this last writes what both have done.
 * @throws whatever Cloudflare or the way to it fails with
 */
export async function writeToKv(
  project: Project,
  here: RegistryStore,
  changed: readonly NotedChange[],
  tell: (text: string) => void,
): Promise<void> {
  const { registry: kv } = await openNamespace(project, kvFlagsOf(process.env), process.env, tell)
  await withLock(project, 'push', async () => {
    const changes = await Promise.all(changed.map((change) => asItIs(here, change)))
    await kv.change(() => ({ changes, result: undefined }))
  })
}

async function asItIs(here: RegistryStore, { kind, name }: NotedChange): Promise<RegistryChange> {
  return { kind, name, record: (await here.read(kind, name)) ?? null } as RegistryChange
}

/** The users of whom an edge may know an older record, with the version that counts; one who was removed has none that does. */
async function knownUsers(here: RegistryStore, changed: readonly NotedChange[]): Promise<KnownUser[]> {
  const users: KnownUser[] = []
  for (const { kind, name, before } of changed) {
    if (kind !== 'user' || before === undefined) continue
    const now = await here.read('user', name)
    const least = before instanceof RecordError ? Date.now() : before.version + 1
    const version = now?.version ?? least
    if (before instanceof RecordError || version > before.version)
      users.push({ name: name as KnownUser['name'], version, gone: now === undefined || now.disabled })
  }
  return users
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
