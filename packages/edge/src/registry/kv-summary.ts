import type { RecordKind, Records } from '@mux/contract'

/** A record that is to be written. */
export type RecordWrite = {
  [Kind in RecordKind]: { kind: Kind; name: string; record: Records[Kind] }
}[RecordKind]

/**
 * What a list of the keys in KV shows of a record beside its name, in Cloudflare's dashboard or by `wrangler kv key list`.
 * Nothing of it is read by mux, and no hash is in it. By the bounds of names and origins, it is far below the platform's 1024 bytes.
 */
export function summaryOf({ kind, record }: RecordWrite): Readonly<Record<string, unknown>> {
  if (kind === 'user')
    return { instance: record.instance, disabled: record.disabled, changed: record.changed }
  if (kind === 'instance') return { host: record.host, state: record.state }
  if (kind === 'host') return { origin: record.origin, state: record.state }
  if (kind === 'route') return { instance: record.instance, access: record.access }
  return { user: record.user, expires: record.expires }
}
