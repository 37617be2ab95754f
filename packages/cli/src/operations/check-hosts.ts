import { type HostRecord, type InstanceRecord, LOCAL_ORIGIN, RecordError, VPC_ORIGIN } from '@mux/contract'

/** What was found where a host is to be. */
export interface HostCheck {
  name: string
  /** Undefined: its gateway answers there. */
  problem: string | undefined
}

/** How long a gateway may take to answer, in milliseconds. */
const LIMIT = 5_000

/**
 * Asks at each host without a signature: what refuses as a gateway does is one.
 * @param records the hosts, and the instances, which may be on hosts that have no record
 */
export async function checkHosts(records: {
  host: ReadonlyMap<string, HostRecord | RecordError>
  instance: ReadonlyMap<string, InstanceRecord | RecordError>
}): Promise<HostCheck[]> {
  const urls = new Map<string, string | null>()
  for (const record of records.instance.values()) {
    if (!(record instanceof RecordError) && record.origin !== LOCAL_ORIGIN)
      urls.set(record.host, urlOf(record))
  }
  for (const [name, record] of records.host)
    if (!(record instanceof RecordError)) urls.set(name, urlOf(record) ?? record.control)
  return Promise.all(
    [...urls].map(async ([name, url]) => ({
      name,
      problem: url === null ? undefined : await problemAt(url),
    })),
  )
}

/** Null: what the Worker reaches it by is a binding, which nobody else can. */
function urlOf({ origin }: { origin: string }): string | null {
  return origin.startsWith(VPC_ORIGIN) ? null : origin
}

async function problemAt(url: string): Promise<string | undefined> {
  try {
    const answer = await fetch(new URL('/_mux/health', url), {
      redirect: 'manual',
      signal: AbortSignal.timeout(LIMIT),
    })
    const { code } = (await answer.json().catch(() => ({}))) as { code?: unknown }
    if (answer.status === 403 && code === 'assertion_invalid') return undefined
    return `what answers at ${url} with status ${answer.status} is no gateway of mux`
  } catch (error) {
    const { name, cause } = error as Error
    if (name === 'TimeoutError') return `${url} does not answer within ${LIMIT / 1000} s`
    const code =
      typeof cause === 'object' && cause !== null && 'code' in cause ? ` (${String(cause.code)})` : ''
    return `${url} cannot be reached from here${code}`
  }
}
