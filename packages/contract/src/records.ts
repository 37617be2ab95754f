import * as v from 'valibot'
import { LOCAL_ORIGIN, parseHostName, parseInstanceName, parseUserName, VPC_ORIGIN } from './names.ts'

/** The longest label of a token, in characters. */
export const MAX_LABEL = 100
/** The longest record that is decoded, in characters; a larger value is nobody's record. */
const MAX_RECORD = 64 * 1024

const instanceName = v.pipe(
  v.string(),
  v.transform(parseInstanceName),
  v.check((name) => name !== undefined, 'not the name of an instance'),
  v.transform((name) => name!),
)
const hostName = v.pipe(
  v.string(),
  v.transform(parseHostName),
  v.check((name) => name !== undefined, 'not the name of a host'),
  v.transform((name) => name!),
)
const userName = v.pipe(
  v.string(),
  v.transform(parseUserName),
  v.check((name) => name !== undefined, 'not the name of a user'),
  v.transform((name) => name!),
)
const version = v.pipe(v.number(), v.safeInteger(), v.minValue(1))
const timestamp = v.pipe(v.string(), v.isoTimestamp())
const URL_ORIGIN = String.raw`https?:\/\/[^/?#@\s]+`
const url = v.pipe(v.string(), v.maxLength(300), v.regex(new RegExp(`^${URL_ORIGIN}$`)))
/** What an edge elsewhere can reach: the URL of a gateway, or {@link VPC_ORIGIN} and the name of a binding. */
const remoteOrigin = v.pipe(
  v.string(),
  v.maxLength(300),
  v.regex(new RegExp(`^(?:${URL_ORIGIN}|${VPC_ORIGIN}[A-Za-z_][A-Za-z0-9_]{0,62})$`)),
)
const origin = v.union([v.literal(LOCAL_ORIGIN), remoteOrigin])

const target = v.strictObject({ host: hostName, origin })

const userRecord = v.strictObject({
  v: v.literal(1),
  /** The instance that serves this user; null while none is assigned. */
  instance: v.nullable(instanceName),
  /** Where that instance is; null exactly when `instance` is. */
  target: v.nullable(target),
  /** PHC string; null when the user signs in by token only. */
  password: v.nullable(v.string()),
  disabled: v.boolean(),
  /** Grows with every change; what was decided by an older one is no longer honoured. */
  version,
  /** The version at which sessions began anew; absent: `version`. See {@link epochOf}. */
  epoch: v.exactOptional(version),
  changed: timestamp,
})

const instanceRecord = v.strictObject({
  v: v.literal(1),
  host: hostName,
  origin,
  /** `maintenance`: stopped by the operator, and to be left so. */
  state: v.picklist(['open', 'maintenance']),
  /** What the operator tells those who come meanwhile. */
  message: v.nullable(v.pipe(v.string(), v.maxLength(500))),
})

const routeRecord = v.strictObject({
  v: v.literal(1),
  instance: instanceName,
  access: v.picklist(['public', 'signed-in']),
})

const tokenRecord = v.strictObject({
  v: v.literal(1),
  user: userName,
  /** Lower-case hex of the SHA-256 of the whole token. */
  sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  expires: v.nullable(timestamp),
  label: v.nullable(v.pipe(v.string(), v.maxLength(MAX_LABEL))),
  /** The day (UTC) on which it was last seen to be used; null when it was not, or where nobody keeps note. */
  used: v.optional(v.nullable(v.pipe(v.string(), v.isoDate())), null),
})

/** A host whose instances the operator works on from elsewhere. */
const hostRecord = v.strictObject({
  v: v.literal(1),
  origin: remoteOrigin,
  /** URL at which the operator's commands reach its gateway; null: at `origin`, which a binding is none for. */
  control: v.nullable(url),
  /** `draining`: it gets no new instances, and what it has goes on. */
  state: v.picklist(['open', 'draining']),
})

const SCHEMAS = {
  user: userRecord,
  instance: instanceRecord,
  host: hostRecord,
  route: routeRecord,
  token: tokenRecord,
}

export type Target = v.InferOutput<typeof target>
export type UserRecord = v.InferOutput<typeof userRecord>
export type InstanceRecord = v.InferOutput<typeof instanceRecord>
export type HostRecord = v.InferOutput<typeof hostRecord>
export type RouteRecord = v.InferOutput<typeof routeRecord>
export type TokenRecord = v.InferOutput<typeof tokenRecord>

/** The records of the registry by kind; a record's key there is `kind:name`. */
export interface Records {
  user: UserRecord
  instance: InstanceRecord
  host: HostRecord
  route: RouteRecord
  token: TokenRecord
}
export type RecordKind = keyof Records
export const RECORD_KINDS = ['user', 'instance', 'host', 'route', 'token'] as const satisfies RecordKind[]

/** A stored value that this version of mux cannot use. Says which record, never what stood in it. */
export class RecordError extends Error {
  override readonly name = 'RecordError'
  readonly code = 'record_invalid'
  readonly key: string
  constructor(key: string, reason: string) {
    super(`The record ${key} cannot be used: ${reason}.`)
    this.key = key
  }
}

/**
 * Decodes one stored value.
 * @throws {RecordError} on text that is no JSON, on a wrong shape, and on a version other than the present one
 *   (the first is the present one; from the second on, the one before it is read too).
 */
export function decodeRecord<Kind extends RecordKind>(kind: Kind, name: string, text: string): Records[Kind] {
  const key = `${kind}:${name}`
  if (text.length > MAX_RECORD) throw new RecordError(key, `it is longer than ${MAX_RECORD} characters`)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new RecordError(key, 'it is not JSON')
  }
  const found = v.safeParse(v.object({ v: v.number() }), value)
  if (!found.success) throw new RecordError(key, 'it has no version')
  if (found.output.v !== 1)
    throw new RecordError(key, `its version is ${found.output.v}, and 1 is known here`)
  const result = v.safeParse(SCHEMAS[kind], value)
  if (!result.success) throw new RecordError(key, `${v.getDotPath(result.issues[0]) ?? 'it'} is unusable`)
  return result.output as Records[Kind]
}

/** Encodes one record for the store; checks it on the way, so that nothing unreadable is ever written. */
export function encodeRecord<Kind extends RecordKind>(
  kind: Kind,
  name: string,
  record: Records[Kind],
): string {
  const text = JSON.stringify(record)
  decodeRecord(kind, name, text)
  return text
}

/** Where the operator's commands reach the gateway of a host; null: nowhere. */
export function controlUrl({ origin, control }: HostRecord): string | null {
  return control ?? (origin.startsWith(VPC_ORIGIN) ? null : origin)
}

/**
 * The version of a user's next record: above the previous one, and above that of any record that was ever removed
 * under this name (so a session of a removed user does not come back to life with a new one), whatever the clock does.
 * @param now milliseconds since the epoch
 */
export function nextVersion(previous: number | undefined, now: number): number {
  return Math.max((previous ?? 0) + 1, Math.floor(now))
}

/**
 * The version of a user's record under which all counts that was proven since: sessions, and passwords that are remembered.
 * A change that leaves it as it is, such as a move, is one that nobody has to sign in again for.
 */
export function epochOf({ epoch, version }: Pick<UserRecord, 'epoch' | 'version'>): number {
  return epoch ?? version
}

/**
 * A changed record of a user as it is to be written: hosts and edges refuse what was decided by the one before.
 * @param sessions what becomes of those that the user has
 * @param now milliseconds since the epoch
 */
export function nextUserRecord(changed: UserRecord, sessions: 'kept' | 'ended', now: number): UserRecord {
  const { epoch: _, ...fields } = changed
  return {
    ...fields,
    version: nextVersion(changed.version, now),
    changed: new Date(now).toISOString(),
    ...(sessions === 'kept' ? { epoch: epochOf(changed) } : {}),
  }
}
