import * as v from 'valibot'
import { parseHostName, parseInstanceName, parseUserName } from './names.ts'

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
const origin = v.pipe(v.string(), v.regex(/^(?:local:|https?:\/\/[^/?#@\s]+)$/))

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
  /** Grows with every change; what was issued under an older one is no longer honoured. */
  version,
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

const SCHEMAS = { user: userRecord, instance: instanceRecord, route: routeRecord, token: tokenRecord }

export type Target = v.InferOutput<typeof target>
export type UserRecord = v.InferOutput<typeof userRecord>
export type InstanceRecord = v.InferOutput<typeof instanceRecord>
export type RouteRecord = v.InferOutput<typeof routeRecord>
export type TokenRecord = v.InferOutput<typeof tokenRecord>

/** The records of the registry by kind; a record's key there is `kind:name`. */
export interface Records {
  user: UserRecord
  instance: InstanceRecord
  route: RouteRecord
  token: TokenRecord
}
export type RecordKind = keyof Records
export const RECORD_KINDS = ['user', 'instance', 'route', 'token'] as const satisfies RecordKind[]

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

/**
 * The version of a user's next record: above the previous one, and above that of any record that was ever removed
 * under this name (so a session of a removed user does not come back to life with a new one), whatever the clock does.
 * @param now milliseconds since the epoch
 */
export function nextVersion(previous: number | undefined, now: number): number {
  return Math.max((previous ?? 0) + 1, Math.floor(now))
}
