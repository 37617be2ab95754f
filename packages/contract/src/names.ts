declare const brand: unique symbol
type Branded<Name extends string> = string & { readonly [brand]: Name }

/** A canonical user name; only {@link parseUserName} makes one. */
export type UserName = Branded<'user'>
/** The name of an instance; only {@link parseInstanceName} makes one. */
export type InstanceName = Branded<'instance'>
/** The name of a host; only {@link parseHostName} makes one. */
export type HostName = Branded<'host'>
/** The key of a route: a lower-case DNS name without a port, or `*`; only {@link parseRouteKey} makes one. */
export type RouteKey = Branded<'route'>

export const USER_NAME_RULE = '1 to 64 of a-z 0-9 . _ @ + -, starting with a letter or digit'
export const INSTANCE_NAME_RULE = '1 to 63 of a-z 0-9 -, starting with a letter and not ending with a dash'
export const ROUTE_KEY_RULE = 'a host name without a port, or * for the default route'

/** The host that `mux up` runs when it is not given a name: this machine, in the same process as the edge. */
export const LOCAL_HOST = 'local' as HostName
/** The origin that stands for {@link LOCAL_HOST}: no URL of a gateway, since no network lies between. */
export const LOCAL_ORIGIN = 'local:'
/** What the origin of a host begins with that a Worker reaches by a binding of its own; the name of the binding follows. */
export const VPC_ORIGIN = 'vpc:'
export const DEFAULT_ROUTE = '*' as RouteKey

const USER_NAME = /^[a-z0-9][a-z0-9._@+-]{0,63}$/
const LABEL = /^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/
const DNS_NAME =
  /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/
const NOBODYS_HOST =
  /^(?:0\.\d+\.\d+\.\d+|169\.254\.\d+\.\d+|100\.100\.100\.200|\[::\]|\[::ffff:(?:(?:0|a9fe):[0-9a-f]{1,4}|6464:64c8)\]|\[fe[89ab][0-9a-f]:.*|\[fd00:ec2::254\]|metadata(?:\.google\.internal)?)\.?$/
const ADDRESS = /^\[[0-9a-f:.]{2,45}\]$/

/**
 * Canonicalises a user name (NFC, lower case) and checks it; `undefined` when no user can have this name.
 * Called once, where a name enters: two spellings that give the same result are the same person.
 */
export function parseUserName(text: string): UserName | undefined {
  // Longer than any legal name in any normal form: spares the normaliser a hostile megabyte.
  if (text.length > 256) return undefined
  const name = text.normalize('NFC').toLowerCase()
  return USER_NAME.test(name) ? (name as UserName) : undefined
}

/** Checks the name of an instance (a DNS label, RFC 1035 section 2.3.1); nothing is folded. */
export function parseInstanceName(text: string): InstanceName | undefined {
  return LABEL.test(text) ? (text as InstanceName) : undefined
}

/** Checks the name of a host; the same rule as for an instance. */
export function parseHostName(text: string): HostName | undefined {
  return LABEL.test(text) ? (text as HostName) : undefined
}

/**
 * Whether no host of anybody's can be at a host name, as a parsed URL has it: unspecified and link-local addresses (RFC 1122
 * section 3.2.1.3, RFC 3927, RFC 4291 section 2.5) and those at which clouds tell a machine its secrets.
 */
export function isNobodysHost(hostname: string): boolean {
  return NOBODYS_HOST.test(hostname)
}

/**
 * The route key of a `Host` header or of a name typed by the operator: lower case, without port and without the
 * dot of the root. `undefined` when it is no host name at all.
 */
export function parseRouteKey(text: string): RouteKey | undefined {
  if (text === '*') return DEFAULT_ROUTE
  if (text.length > 300) return undefined
  const name = text
    .toLowerCase()
    .replace(/:\d{1,5}$/, '')
    .replace(/\.$/, '')
  return DNS_NAME.test(name) || ADDRESS.test(name) ? (name as RouteKey) : undefined
}
