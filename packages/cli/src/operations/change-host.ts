import type { HostName, HostRecord, InstanceName } from '@mux/contract'
import type { RegistryChange, RegistryStore } from '@mux/edge/registry'
import { changeHostSection } from '../config-edit.ts'
import { CliError } from '../errors.ts'
import { type HostPlace, refuseUnreachable } from '../host-place.ts'
import { joinKeyText } from '../join-key.ts'
import { keysForHost } from '../operator-keys.ts'
import { projectRole } from '../project-role.ts'
import { withProjectLock } from '../project-lock.ts'
import type { Project } from '../project.ts'
import { missingHost, pointingAt, usableHosts } from './find-hosts.ts'
import { assertUnused } from './remove-instance.ts'

export interface AddedHost extends HostPlace {
  host: HostName
  changed: boolean
  /** What the host is given by hand; null when it was there already. */
  joinKey: string | null
}

/**
 * Makes a host known. Again, it changes nothing.
 * @throws {CliError} `host_exists`, `key_exposed`, `key_unusable`
 */
export async function addHost(
  project: Project,
  registry: RegistryStore,
  { host, origin, control }: HostPlace & { host: HostName },
): Promise<AddedHost> {
  return withProjectLock(project, async () => {
    const known = await usableHosts(registry)
    const found = known.get(host)
    if (found?.origin === origin && found.control === control)
      return { host, origin, control, changed: false, joinKey: null }
    if (found) {
      throw new CliError('host_exists', `There is a host ${host} already, at ${found.origin}.`, {
        hint: `If it is elsewhere by now: mux host set ${host} --url ${origin}`,
      })
    }
    refuseTaken(known, host, origin)
    const keys = await keysForHost(project, host, known.size === 0)
    const record: HostRecord = { v: 1, origin, control, state: 'open' }
    await registry.change(() => ({ changes: [{ kind: 'host', name: host, record }], result: undefined }))
    return { host, origin, control, changed: true, joinKey: joinKeyText(keys) }
  })
}

export interface PlacedHost extends HostPlace {
  host: HostName
  changed: boolean
  /** Whether it is this very project; then mux.yaml has it, too. */
  here: boolean
  /** How many users and instances are sent to the new place. */
  users: number
  instances: number
}

/**
 * Has a host be somewhere else, with all its instances and their users.
 * @param control undefined: as it was
 * @throws {CliError} `host_not_found`, `host_exists`, `usage`, `record_invalid`
 */
export async function placeHost(
  project: Project,
  registry: RegistryStore,
  {
    host,
    origin,
    control,
  }: { host: HostName; origin: string | undefined; control: string | null | undefined },
): Promise<PlacedHost> {
  return withProjectLock(project, async () => {
    const known = await usableHosts(registry)
    const found = known.get(host) ?? missingHost(known, host)
    const place: HostPlace = {
      origin: origin ?? found.origin,
      control: control === undefined ? found.control : control,
    }
    refuseUnreachable(place)
    refuseTaken(known, host, place.origin)
    // Or the next mux up would send them to where it was. First, because that would do the rest if this broke off.
    const here = (await projectRole(project)).host === host
    if (here) await changeHostSection(project, { origin: place.origin })
    const pointing = await pointingAt(registry, host)
    const changes = await registry.change((read) => {
      const made: RegistryChange[] = []
      const present = read('host', host) ?? missingHost(known, host)
      if (present.origin !== place.origin || present.control !== place.control)
        made.push({ kind: 'host', name: host, record: { ...present, ...place } })
      for (const name of pointing.instances) {
        const instance = read('instance', name)
        if (instance?.host !== host || instance.origin === place.origin) continue
        made.push({ kind: 'instance', name, record: { ...instance, origin: place.origin } })
      }
      for (const name of pointing.users) {
        const user = read('user', name)
        if (user?.target?.host !== host || user.target.origin === place.origin) continue
        // No new version: it is the same host, and nobody has to sign in again because its name in the network is another.
        made.push({ kind: 'user', name, record: { ...user, target: { host, origin: place.origin } } })
      }
      return { changes: made, result: made }
    })
    const count = (kind: RegistryChange['kind']) => changes.filter((change) => change.kind === kind).length
    return {
      host,
      ...place,
      changed: changes.length > 0,
      users: count('user'),
      instances: count('instance'),
      here,
    }
  })
}

export interface HostStateChange {
  host: HostName
  state: HostRecord['state']
  changed: boolean
}

/** @throws {CliError} `host_not_found` */
export async function setHostState(
  registry: RegistryStore,
  host: HostName,
  state: HostRecord['state'],
): Promise<HostStateChange> {
  const known = await usableHosts(registry)
  return registry.change((read) => {
    const found = read('host', host) ?? missingHost(known, host)
    const changed = found.state !== state
    const record = { ...found, state }
    return {
      changes: changed ? [{ kind: 'host', name: host, record }] : [],
      result: { host, state, changed },
    }
  })
}

export interface RemoveHostOrder {
  host: HostName
  /** Its machine is gone for good, and with it the instances there, which nobody can end any more. */
  lost: boolean
  confirm: (question: string) => Promise<void>
}

export interface RemovedHost {
  host: HostName
  /** Those that were lost with it. */
  instances: string[]
}

/**
 * Forgets a host to which nothing leads any more; one that is lost, with the instances that nobody is led to.
 * @throws {CliError} `host_not_found`, `host_in_use`, `instance_in_use`, `cancelled`
 */
export async function removeHost(
  project: Project,
  registry: RegistryStore,
  { host, lost, confirm }: RemoveHostOrder,
): Promise<RemovedHost> {
  const hosts = await registry.list('host')
  // One whose record cannot be used has to go as well.
  if (!hosts.some(({ name }) => name === host))
    missingHost(new Map(hosts.map(({ name }) => [name, null])), host)
  const forgotten = () => (lost ? unusedOn(registry, host) : refuseInUse(registry, host))
  const names = await forgotten()
  await confirm(
    `Remove the host ${host}${names.length === 0 ? '' : `, and forget what was on it: ${names.join(', ')}`}?`,
  )
  return withProjectLock(project, async () => {
    const instances = await forgotten()
    await registry.change(() => ({
      changes: [
        ...instances.map((name) => ({ kind: 'instance', name, record: null }) as const),
        { kind: 'host', name: host, record: null },
      ],
      result: undefined,
    }))
    return { host, instances }
  })
}

/** The instances on a host. @throws {CliError} `instance_in_use` when users or routes lead to one of them */
async function unusedOn(registry: RegistryStore, host: HostName): Promise<InstanceName[]> {
  const instances = (await pointingAt(registry, host)).instances as InstanceName[]
  for (const name of instances) await assertUnused(registry, name)
  return instances
}

async function refuseInUse(registry: RegistryStore, host: HostName): Promise<[]> {
  const { instances, users } = await pointingAt(registry, host)
  if (instances.length === 0 && users.length === 0) return []
  const by = [...instances.map((name) => `instance ${name}`), ...users.map((name) => `user ${name}`)]
  const shown = by.length > 5 ? `${by.slice(0, 5).join(', ')} and ${by.length - 5} more` : by.join(', ')
  const next =
    instances.length > 0
      ? `mux instance move ${instances[0]} --host NAME, or mux instance remove ${instances[0]}`
      : `mux user move ${users[0]} --instance NAME`
  throw new CliError('host_in_use', `The host ${host} has ${shown}. Nothing was changed.`, {
    hint: `First: ${next}   If its machine is gone for good: mux host remove ${host} --lost`,
  })
}

/** Two hosts at one place: one of them would refuse whatever is signed for the other. @throws {CliError} `host_exists` */
function refuseTaken(known: ReadonlyMap<string, HostRecord>, host: HostName, origin: string): void {
  for (const [name, record] of known) {
    if (name !== host && record.origin === origin)
      throw new CliError(
        'host_exists',
        `${origin} is the host ${name} already.`,
        'See which there are: mux host list',
      )
  }
}
