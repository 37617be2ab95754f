import { STATUS_CODES } from 'node:http'
import { Problem, problemDocument } from '@mux/contract'

/** What Node's parser gives up on that has a status of its own. */
const STATUS: Record<string, number> = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
}

/**
 * The whole answer to what never became a request: malformed, too large or too slow. The connection ends with it,
 * because nobody can say where the next request would begin.
 * @param code of Node's error
 */
export function clientErrorAnswer(code: string | undefined, requestId: string): string {
  const status = STATUS[code ?? ''] ?? 400
  const body = JSON.stringify({ ...problemDocument(new Problem('bad_request'), requestId), status })
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Connection: close',
    'Content-Type: application/problem+json',
    'Cache-Control: no-store',
    `X-Request-Id: ${requestId}`,
    `Content-Length: ${body.length}`,
    '',
    body,
  ].join('\r\n')
}
