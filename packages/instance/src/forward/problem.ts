import { Problem } from '@mux/contract'
import { errors } from 'undici'
import { OddAnswer } from './upstream.ts'

/** How undici and node:http refuse to write a request that would not be one. */
const UNWRITABLE = new Set([
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
  'ERR_INVALID_CHAR',
  'ERR_INVALID_HTTP_TOKEN',
  'ERR_UNESCAPED_CHARACTERS',
])

/**
 * The ladder of everything that can go wrong before an answer has begun. What is expected of instances becomes a
 * problem; what is not is returned as it is, so that it is logged as the defect that it is.
 */
export function toProblem(error: Error & { code?: unknown }): Error {
  if (error instanceof Problem) return error
  const { code } = error
  if (typeof code === 'string' && UNWRITABLE.has(code)) return new Problem('bad_request', { cause: error })
  if (error instanceof errors.HeadersTimeoutError || error instanceof errors.ConnectTimeoutError)
    return new Problem('instance_response_timeout', { cause: error })
  const byInstance =
    error instanceof OddAnswer ||
    error instanceof errors.HTTPParserError ||
    (typeof code === 'string' && !code.startsWith('ERR_'))
  return byInstance ? new Problem('instance_unreachable', { cause: error }) : error
}
