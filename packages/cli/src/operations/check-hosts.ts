import { randomUUID } from 'node:crypto'
import {
  ASSERTION_HEADERS,
  type HostName,
  type HostRecord,
  type InstanceName,
  type InstanceRecord,
  LOCAL_ORIGIN,
  PROOF_HEADER,
  RecordError,
  VPC_ORIGIN,
} from '@mux/contract'
import { unreachedFromCloudflare } from './reach-from-cloudflare.ts'

/** What was found where a host is to be. */
export interface HostCheck {
  name: string
  /** Undefined: its gateway answers there. */
  problem: string | undefined
}

/** A question to a gateway, and what proves its answer. */
interface Question {
  headers: Record<string, string>
  proof: string
}

/** A name that no instance has; should there be one, it answers nobody without a name. */
const NOBODYS = 'mux-deploy-asks' as InstanceName
/** How long a gateway may take to answer, in milliseconds. */
const LIMIT = 5_000

/**
 * Asks at each host for an instance that there is not, signed as this edge signs: a gateway that knows the edge says so, any
 * other one refuses.
 * @param records the hosts, and the instances, which may be on hosts that have no record
 * @param edgeKey undefined: there is none yet, and what refuses as a gateway does is one
 * @param isEdgeHere the Worker will run on this machine, and reach what this machine does
 */
export async function checkHosts(
  records: {
    host: ReadonlyMap<string, HostRecord | RecordError>
    instance: ReadonlyMap<string, InstanceRecord | RecordError>
  },
  edgeKey: Uint8Array | undefined,
  isEdgeHere: boolean,
): Promise<HostCheck[]> {
  /** By what the Worker reaches each, if that is a URL, and by what this machine does. */
  const places = new Map<string, { origin: string | null; url: string | null }>()
  for (const record of records.instance.values()) {
    if (record instanceof RecordError || record.origin === LOCAL_ORIGIN) continue
    places.set(record.host, { origin: urlOf(record), url: urlOf(record) })
  }
  for (const [name, record] of records.host)
    if (!(record instanceof RecordError))
      places.set(name, { origin: urlOf(record), url: urlOf(record) ?? record.control })
  const questionTo = edgeKey === undefined ? () => undefined : await signedQuestions(edgeKey)
  return Promise.all(
    [...places].map(async ([name, { origin, url }]) => {
      const problems = await Promise.all([
        url === null ? undefined : problemAt(url, questionTo(name as HostName)),
        origin === null || isEdgeHere ? undefined : unreachedFromCloudflare(origin),
      ])
      const found = problems.filter((problem) => problem !== undefined)
      return { name, problem: found.length === 0 ? undefined : found.join('; ') }
    }),
  )
}

async function signedQuestions(edgeKey: Uint8Array): Promise<(host: HostName) => Question> {
  const { createDecisionSigner } = await import('@mux/edge')
  // A proof is that of the minute of its signature: both are made at one moment.
  let moment = 0
  const signer = createDecisionSigner(edgeKey, () => moment)
  const forwardedHost = 'mux.invalid'
  return (host) => {
    moment = Date.now()
    const decision = { user: undefined, instance: NOBODYS, version: 0, requestId: randomUUID() }
    const request = { method: 'GET', path: '/', query: '?', forwardedHost, decision }
    const headers = {
      [ASSERTION_HEADERS.forwardedHost]: forwardedHost,
      [ASSERTION_HEADERS.instance]: NOBODYS,
      [ASSERTION_HEADERS.version]: '0',
      [ASSERTION_HEADERS.requestId]: decision.requestId,
      ...signer.sign(request, host),
    }
    return { headers, proof: signer.proofOf(host) }
  }
}

/** Null: what the Worker reaches it by is a binding, which nobody else can. */
function urlOf({ origin }: { origin: string }): string | null {
  return origin.startsWith(VPC_ORIGIN) ? null : origin
}

/** @param question undefined: none that is signed can be asked */
async function problemAt(url: string, question: Question | undefined): Promise<string | undefined> {
  try {
    const answer = await fetch(new URL('/', url), {
      headers: question?.headers ?? {},
      redirect: 'manual',
      signal: AbortSignal.timeout(LIMIT),
    })
    const { code } = (await answer.json().catch(() => ({}))) as { code?: unknown }
    if (question === undefined && (code === 'misdirected' || code === 'assertion_invalid')) return undefined
    if (code === 'misdirected')
      return answer.headers.get(PROOF_HEADER) === question!.proof
        ? undefined
        : `the gateway at ${url} does not prove that it has the key of this host, as one of an older mux does not: update it first`
    if (code === 'assertion_invalid')
      return `the gateway at ${url} does not know this edge: it has another key, or the clocks differ by more than 30 s`
    return `what answers at ${url} with status ${answer.status} is no gateway of mux`
  } catch (error) {
    const { name, cause } = error as Error
    if (name === 'TimeoutError') return `${url} does not answer within ${LIMIT / 1000} s`
    const code =
      typeof cause === 'object' && cause !== null && 'code' in cause ? ` (${String(cause.code)})` : ''
    return `${url} cannot be reached from here${code}`
  }
}
