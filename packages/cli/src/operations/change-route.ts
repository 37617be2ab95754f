import { type InstanceName, RecordError, type RouteKey, type RouteRecord } from '@mux/contract'
import type { RegistryStore } from '@mux/edge'
import { CliError } from '../errors.ts'
import { readConfig } from '../mux-yaml.ts'
import { withProjectLock } from '../project-lock.ts'
import type { Project } from '../project.ts'
import { noInstance } from './no-instance.ts'
import { announceInstance, isDefined, localInstance } from './define-instance.ts'
import { placeOf } from './find-place.ts'

export interface RouteResult {
  key: RouteKey
  instance: InstanceName
  access: RouteRecord['access']
  /** Where it led before; null: it is new. */
  from: InstanceName | null
  changed: boolean
}

/** @throws {CliError} `instance_not_found` */
export async function setRoute(
  project: Project,
  registry: RegistryStore,
  order: Pick<RouteResult, 'key' | 'instance' | 'access'>,
): Promise<RouteResult> {
  const { key, instance, access } = order
  return withProjectLock(project, async () => {
    const config = await readConfig(project)
    const isElsewhere = (await placeOf(project, registry, instance)) !== null
    if (!isElsewhere && !isDefined(config, instance))
      throw noInstance(config, instance, `Add it: mux instance add ${instance}`)
    await announceInstance(project, registry, instance)
    return registry.change<RouteResult>((read) => {
      const found = read('route', key)
      const from = found?.instance ?? null
      if (found?.instance === instance && found.access === access)
        return { changes: [], result: { ...order, from, changed: false } }
      const known = read('instance', instance)
      return {
        changes: [
          ...(known === undefined
            ? [{ kind: 'instance', name: instance, record: localInstance(config) } as const]
            : []),
          { kind: 'route', name: key, record: { v: 1, instance, access } },
        ],
        result: { ...order, from, changed: true },
      }
    })
  })
}

/** @throws {CliError} `route_not_found` */
export async function removeRoute(registry: RegistryStore, key: RouteKey): Promise<void> {
  const there = (await registry.list('route')).some(({ name }) => name === key)
  if (!there)
    throw new CliError('route_not_found', `There is no route ${key}.`, 'See what there is: mux route list')
  await registry.change(() => ({ changes: [{ kind: 'route', name: key, record: null }], result: null }))
}

export interface ListedRoute {
  key: string
  instance: string | null
  access: RouteRecord['access'] | null
  /** Why the record cannot be used; null when it can. */
  problem: string | null
}

export async function listRoutes(registry: RegistryStore): Promise<ListedRoute[]> {
  return (await registry.list('route')).map(({ name, record }) =>
    record instanceof RecordError
      ? { key: name, instance: null, access: null, problem: record.message }
      : { key: name, instance: record.instance, access: record.access, problem: null },
  )
}
