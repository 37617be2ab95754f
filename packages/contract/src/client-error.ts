import { Problem, problemDocument, problemHeaders, type ProblemCode } from './problems.ts'

/** What Node's parser gives up on that has a problem of its own; all else is malformed. */
const CODES: Record<string, ProblemCode> = {
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'body_too_large',
}
const REASONS: Record<number, string> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  413: 'Payload Too Large',
  431: 'Request Header Fields Too Large',
  503: 'Service Unavailable',
}

/**
 * The whole answer to what never became a request: malformed, too large or too slow. The connection ends with it,
 * because nobody can say where the next request would begin.
 * @param error code of Node's
 * @param mark name of a header to carry the problem's code, too
 */
export function clientErrorAnswer(error: string | undefined, requestId: string, mark?: string): string {
  return wholeAnswer(new Problem(CODES[error ?? ''] ?? 'bad_request'), requestId, mark)
}

/** The whole answer to what is no request, which ends its connection; as {@link clientErrorAnswer}. */
export function wholeAnswer(problem: Problem, requestId: string, mark?: string): string {
  const body = JSON.stringify(problemDocument(problem, requestId))
  const headers = {
    Connection: 'close',
    'Content-Type': 'application/problem+json',
    ...problemHeaders(problem),
    'X-Request-Id': requestId,
    ...(mark === undefined ? {} : { [mark]: problem.code }),
    'Content-Length': String(body.length),
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  return [`HTTP/1.1 ${problem.status} ${REASONS[problem.status]}`, ...lines, '', body].join('\r\n')
}
