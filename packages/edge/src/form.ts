import { Problem } from '@mux/contract'

/** The longest form that is read, in bytes: a name, a password and a path, each of them percent-encoded. */
const MAX_FORM = 16 * 1024
/** How long a client may take to send one, in milliseconds. */
const TIMEOUT = 10_000

/**
 * Reads the fields of a small `application/x-www-form-urlencoded` body.
 * @throws {Problem} `bad_request` on another type; `request_timeout`, `body_too_large`
 */
export async function readForm(request: Request): Promise<URLSearchParams> {
  const type = request.headers.get('content-type')?.split(';')[0]!.trim().toLowerCase()
  if (type !== 'application/x-www-form-urlencoded') throw new Problem('bad_request')
  if (Number(request.headers.get('content-length')) > MAX_FORM) throw new Problem('body_too_large')
  const reader = request.body?.getReader()
  if (reader === undefined) return new URLSearchParams()

  let late = false
  const timer = setTimeout(() => {
    late = true
    void reader.cancel()
  }, TIMEOUT)
  const decoder = new TextDecoder()
  let text = ''
  let length = 0
  try {
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      length += chunk.value.length
      if (length > MAX_FORM) throw new Problem('body_too_large')
      text += decoder.decode(chunk.value, { stream: true })
    }
  } finally {
    clearTimeout(timer)
  }
  if (late) throw new Problem('request_timeout')
  return new URLSearchParams(text + decoder.decode())
}
