import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Problem, problemDocument, problemHeaders, PROOF_HEADER } from '@mux/contract'
import { bodyFraming } from './forward/headers.ts'

/** The code in it lets the edge make a page of a problem without reading the body. */
export const PROBLEM_HEADER = 'Mux-Problem'
/** With `misdirected`, the version from which on a decision would be good; see `ASSERTION_HEADERS`. */
const VERSION_HEADER = 'Mux-Version'
/** The request id in the answer to a request of which nothing is known to be true. */
export const NO_REQUEST_ID = '-'

/** What is known to be true of a request. */
export interface Known {
  requestId: string
  /** See `PROOF_HEADER`; undefined where nobody has shown that it is for this host. */
  proof: string | undefined
}
export const NOTHING_KNOWN: Known = { requestId: NO_REQUEST_ID, proof: undefined }

export function answerProblem(outgoing: ServerResponse, problem: Problem, { requestId, proof }: Known): void {
  const body = JSON.stringify(problemDocument(problem, requestId))
  outgoing.writeHead(problem.status, {
    ...problemHeaders(problem),
    'Content-Type': 'application/problem+json',
    'Content-Length': Buffer.byteLength(body),
    [PROBLEM_HEADER]: problem.code,
    ...(problem.wantedVersion === undefined ? {} : { [VERSION_HEADER]: problem.wantedVersion }),
    ...(proof === undefined ? {} : { [PROOF_HEADER]: proof }),
  })
  outgoing.end(body)
}

/** False for what two programs could read in two ways, and no edge and no operator sends. */
export function isUnambiguous({ httpVersion, rawHeaders }: IncomingMessage): boolean {
  const framing = bodyFraming(rawHeaders)
  let hosts = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++
  }
  const isClear = httpVersion === '1.1' || (httpVersion === '1.0' && framing?.chunked === false)
  return framing !== undefined && isClear && hosts === 1
}
