/** Longest note, in UTF-16 units: what the page's `maxlength` counts too. */
export const TEXT_LIMIT = 2000
/** Largest body that is read, in bytes: the longest note, every character escaped, with room to spare. */
export const BODY_LIMIT = 64 * 1024
// A little more is read and thrown away, so that a client still sending sees the answer rather than a reset.
const DISCARD_LIMIT = 1024 * 1024

/** An answer other than success: its status, and a sentence that the client may see. */
export class Refusal extends Error {
  name = 'Refusal'
  constructor(status, message, headers = {}) {
    super(message)
    this.status = status
    this.headers = headers
  }
}

/**
 * Refuses a change that another site's page makes the browser send: mux adds the identity to that request as to any
 * other, so only we can tell. Every browser of today says where a request comes from, in Sec-Fetch-Site (on HTTPS and
 * localhost) or in Origin; a client that says neither is no browser, and has no one's cookies.
 */
export const requireSameOrigin = (headers) => {
  const site = headers['sec-fetch-site']
  const origin = headers.origin
  const same =
    site === undefined ? origin === undefined || origin === ownOrigin(headers) : site === 'same-origin'
  if (!same) throw new Refusal(403, 'This change was asked for by a page of another site.')
}

const ownOrigin = (headers) => {
  const url = `${headers['x-forwarded-proto'] ?? 'http'}://${headers['x-forwarded-host'] ?? headers.host}`
  return URL.canParse(url) ? new URL(url).origin : undefined
}

/**
 * Whether the client would rather have HTML than JSON. Browsers name text/html; tools send nothing or any type,
 * and get JSON.
 */
export const wantsHtml = (headers) => {
  const quality = (type) => {
    for (const range of (headers.accept ?? '').toLowerCase().split(',')) {
      const [name, ...parameters] = range.split(';').map((part) => part.trim())
      if (name === type) return Number(parameters.find((part) => part.startsWith('q='))?.slice(2) ?? 1)
    }
    return 0
  }
  return quality('text/html') > quality('application/json')
}

/** The text of a new note, from JSON `{"text": …}` or a form's `text` field; throws a Refusal for anything else. */
export const readText = async (req) => {
  const type = (req.headers['content-type'] ?? '').split(';')[0].trim().toLowerCase()
  if (type !== 'application/json' && type !== 'application/x-www-form-urlencoded') {
    throw new Refusal(415, 'Send application/json or application/x-www-form-urlencoded.')
  }
  const body = await readBody(req)
  const given = type === 'application/json' ? parseJson(body)?.text : new URLSearchParams(body).get('text')
  if (typeof given !== 'string') throw new Refusal(422, 'A note needs a "text".')
  const text = tidy(given)
  if (text === '') throw new Refusal(422, 'The note is empty.')
  if (text.length > TEXT_LIMIT) throw new Refusal(422, `The note is longer than ${TEXT_LIMIT} characters.`)
  return text
}

/** Lines end in \n, no other control characters, no halves of surrogate pairs, no blank ends. */
const tidy = (text) =>
  text
    .replace(/\r\n?/g, '\n')
    .replace(/[^\P{Cc}\n\t]/gu, '')
    .toWellFormed()
    .trim()

const parseJson = (body) => {
  try {
    return JSON.parse(body)
  } catch {
    throw new Refusal(400, 'The body is not valid JSON.')
  }
}

const readBody = async (req) => {
  const tooLarge = new Refusal(413, `The body is larger than ${BODY_LIMIT} bytes.`)
  const hopeless = new Refusal(413, tooLarge.message, { connection: 'close' })
  if (Number(req.headers['content-length']) > DISCARD_LIMIT) throw hopeless

  const chunks = []
  let size = 0
  for await (const chunk of req.iterator({ destroyOnReturn: false })) {
    size += chunk.length
    if (size > DISCARD_LIMIT) throw hopeless
    if (size <= BODY_LIMIT) chunks.push(chunk)
  }
  if (size > BODY_LIMIT) throw tooLarge

  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
  } catch {
    throw new Refusal(400, 'The body is not valid UTF-8.')
  }
}
