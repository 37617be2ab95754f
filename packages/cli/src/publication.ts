import { type KnownUser, RecordError, type RecordKind } from '@mux/contract'
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

/** What is to be known elsewhere. */
export interface News {
  records: readonly RecordKey[]
  /** The users among them of whom somebody may know an older record, with the version that counts. */
  users: readonly KnownUser[]
}

export interface RecordKey {
  kind: RecordKind
  name: string
}

/** What became of it. */
export interface Published {
  /** The hosts that were told of users, and those that were not. */
  hosts: ToldHost[]
  /** Null: KV has the records, or is not where the edge reads. */
  failure: CliError | null
}

export interface PublishOptions {
  /** `hosts`: to these alone; `in-order`: to them only when KV has it. */
  carry: 'all' | 'hosts' | 'in-order'
  /** Returns only when each host has been told, up to a minute. */
  wait: boolean
  /** Told whenever Cloudflare is waited for. */
  tell: (text: string) => void
}

/** Carries records to Workers KV, where the edge reads that, and tells the hosts. */
export async function publish(
  project: Project,
  here: RegistryStore,
  role: ProjectRole,
  { records, users }: News,
  { carry, wait, tell }: PublishOptions,
): Promise<Published> {
  const toKv = role.registry === 'kv' && carry !== 'hosts' && records.length > 0
  const written = toKv
    ? writeToKv(project, here, records, tell).then(
        () => null,
        (error: unknown) => behind(records, error),
      )
    : Promise.resolve(null)
  if (carry === 'in-order') {
    const failure = await written
    if (failure !== null) return { hosts: [], failure }
  }
  await Promise.race([written, new Promise((resolve) => setTimeout(resolve, HEAD_START).unref())])
  const [failure, hosts] = await Promise.all([written, tellOfUsers(project, here, role, users, wait)])
  return { hosts, failure }
}

/**
 * Writes records as they are here now: of two commands at a time, the one that comes to this last writes what both have done.
 * @throws whatever Cloudflare or the way to it fails with
 */
export async function writeToKv(
  project: Project,
  here: RegistryStore,
  records: readonly RecordKey[],
  tell: (text: string) => void,
): Promise<void> {
  const { registry: kv } = await openNamespace(project, kvFlagsOf(process.env), process.env, tell)
  await withLock(project, 'push', async () => {
    const changes = await Promise.all(records.map((record) => asItIs(here, record)))
    await kv.change(() => ({ changes, result: undefined }))
  })
}

async function asItIs(here: RegistryStore, { kind, name }: RecordKey): Promise<RegistryChange> {
  return { kind, name, record: (await here.read(kind, name)) ?? null } as RegistryChange
}

/** The users among what was changed; of one who was removed, no version counts that there was. */
export async function usersAmong(here: RegistryStore, changed: readonly NotedChange[]): Promise<KnownUser[]> {
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

function behind(records: readonly RecordKey[], cause: unknown): CliError {
  const { message, hint } = toCliError(cause)
  const names = records.map(({ kind, name }) => `${kind} ${name}`)
  const more = names.length > NAMED ? [`and ${names.length - NAMED} more`] : []
  // What the API itself fails with is hinted at with the command that was given, which has done its part.
  const first = cause instanceof CliError && hint !== null ? `${hint} Then` : 'To take it there'
  return new CliError('registry_behind', `It is done here, and Workers KV may not have it yet: ${message}`, {
    hint: `${first}: mux registry push`,
    details: [...names.slice(0, NAMED), ...more],
    cause,
  })
}
