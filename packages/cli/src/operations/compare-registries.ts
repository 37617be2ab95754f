import { isDeepStrictEqual } from 'node:util'
import { RECORD_KINDS, RecordError, type RecordKind, type Records } from '@mux/contract'
import type { RegistryStore } from '@mux/edge/registry'

/** All records of a registry, by kind and name. */
export type Snapshot = { [Kind in RecordKind]: Map<string, Records[Kind] | RecordError> }

/** The two registries that are compared: that of the project, and that in Workers KV. */
export type Side = 'here' | 'kv'

/** One record that is not the same on both sides; null: it is not there, an error: it is, and cannot be used. */
export type Difference = {
  [Kind in RecordKind]: { kind: Kind; name: string; fields: string[]; later: Side | null } & Record<
    Side,
    Records[Kind] | RecordError | null
  >
}[RecordKind]

/**
 * Reads what leads to something before that to which it leads, so that what is added meanwhile, which comes in the other
 * order, is never half in it.
 */
export async function snapshotOf(registry: RegistryStore): Promise<Snapshot> {
  const token = await listed(registry, 'token')
  const route = await listed(registry, 'route')
  const user = await listed(registry, 'user')
  const instance = await listed(registry, 'instance')
  return { token, route, user, instance, host: await listed(registry, 'host') }
}

/** That of a registry that is not there yet. */
export function emptySnapshot(): Snapshot {
  return Object.fromEntries(RECORD_KINDS.map((kind) => [kind, new Map()])) as unknown as Snapshot
}

async function listed<Kind extends RecordKind>(
  registry: RegistryStore,
  kind: Kind,
): Promise<Map<string, Records[Kind] | RecordError>> {
  return new Map((await registry.list(kind)).map(({ name, record }) => [name, record]))
}

/** The records that differ, by kind, and by name within it. */
export function compare(here: Snapshot, kv: Snapshot): Difference[] {
  return RECORD_KINDS.flatMap((kind) => compareKind(kind, here[kind], kv[kind]))
}

function compareKind<Kind extends RecordKind>(
  kind: Kind,
  here: ReadonlyMap<string, Records[Kind] | RecordError>,
  kv: ReadonlyMap<string, Records[Kind] | RecordError>,
): Difference[] {
  const names = [...new Set([...here.keys(), ...kv.keys()])].sort()
  return names.flatMap((name) => {
    const pair = { here: here.get(name) ?? null, kv: kv.get(name) ?? null }
    const fields = isUsable(pair.here) && isUsable(pair.kv) ? fieldsThatDiffer(pair.here, pair.kv) : []
    if (isUsable(pair.here) && isUsable(pair.kv) && fields.length === 0) return []
    return [{ kind, name, fields, later: laterOf(pair.here, pair.kv), ...pair } as Difference]
  })
}

function isUsable<Kept extends object>(record: Kept | RecordError | null): record is Kept {
  return record !== null && !(record instanceof RecordError)
}

/** The day of a token's last use is noted by `mux up` alone, and of no weight. */
function fieldsThatDiffer(one: object, other: object): string[] {
  const [left, right] = [one, other] as Record<string, unknown>[]
  const fields = new Set([...Object.keys(left!), ...Object.keys(right!)])
  return [...fields].filter((field) => field !== 'used' && !isDeepStrictEqual(left![field], right![field]))
}

/** The side whose record of a user was changed last; a record of another kind does not tell. */
function laterOf(here: object | null, kv: object | null): Side | null {
  const [left, right] = [versionOf(here), versionOf(kv)]
  if (left === undefined || right === undefined || left === right) return null
  return left > right ? 'here' : 'kv'
}

function versionOf(record: object | null): number | undefined {
  return record !== null && 'version' in record ? Number(record.version) : undefined
}
