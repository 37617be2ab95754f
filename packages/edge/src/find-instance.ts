import {
  DEFAULT_ROUTE,
  parseRouteKey,
  Problem,
  type InstanceName,
  type RouteRecord,
  type Target,
  type UserName,
} from '@mux/contract'
import type { Identity } from './authenticate.ts'
import { rememberByName } from './by-name.ts'
import type { RegistryReader } from './registry/registry.ts'

/** The instance that a request is for, and as whom it will be asked. */
export interface Choice {
  instance: InstanceName
  /** Absent on a public route, where the instance is told no name even of somebody who is signed in. */
  user: UserName | undefined
  /** Version of the user's record that the choice rests on; 0 on a public route. */
  version: number
  /** Where the instance is, if the record that named it says so. */
  target: Target | undefined
}

/** The key under which a route for the host name of a request would be. */
export const routeKeyOf = rememberByName(parseRouteKey)

/**
 * Which instance serves `identity` under the host name of the request: the one that the operator fixed for this host
 * name, else the user's own, else the one that the operator made the default. Never any other.
 * @returns undefined when only somebody who signs in can be served
 * @throws {Problem} `no_instance`
 */
export async function chooseInstance(
  registry: RegistryReader,
  host: string | undefined,
  identity: Identity | undefined,
): Promise<Choice | undefined> {
  const key = routeKeyOf(host ?? '')
  const fixed =
    key === undefined || key === DEFAULT_ROUTE
      ? undefined
      : along(await registry.read('route', key), identity)
  if (fixed !== undefined) return fixed === 'sign in' ? undefined : fixed

  if (identity !== undefined && identity.record.instance !== null) {
    const { user, record } = identity
    return { instance: record.instance!, user, version: record.version, target: record.target ?? undefined }
  }

  const fallback = along(await registry.read('route', DEFAULT_ROUTE), identity)
  if (fallback !== undefined) return fallback === 'sign in' ? undefined : fallback
  if (identity === undefined) return undefined
  throw new Problem('no_instance')
}

/**
 * Where the chosen instance is.
 * @throws {Problem} `instance_undefined` when no host has it
 */
export async function locate(registry: RegistryReader, choice: Choice): Promise<Target> {
  if (choice.target !== undefined) return choice.target
  const record = await registry.read('instance', choice.instance)
  if (record === undefined) throw new Problem('instance_undefined')
  return { host: record.host, origin: record.origin }
}

/** Where a route leads `identity`; undefined when there is no such route. */
function along(
  route: RouteRecord | undefined,
  identity: Identity | undefined,
): Choice | 'sign in' | undefined {
  if (route === undefined) return undefined
  if (route.access === 'public') {
    return { instance: route.instance, user: undefined, version: 0, target: undefined }
  }
  if (identity === undefined) return 'sign in'
  return {
    instance: route.instance,
    user: identity.user,
    version: identity.record.version,
    target: undefined,
  }
}
