import { iconSvg, pageHtml, pageHeaders } from './page.mjs'
import { readText, Refusal, requireSameOrigin, wantsHtml } from './requests.mjs'

// One URL serves many people through one edge: no answer may be kept for, or read by, anybody else.
const EVERY_ANSWER = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'same-origin',
  // Not `no-referrer`: with that, browsers send `Origin: null` with our own forms.
  'referrer-policy': 'same-origin',
}

/**
 * The request handler. It trusts `Mux-User`, which only mux can have set: it drops that header from the outside, and
 * only mux reaches our socket.
 */
export const createApp = ({ settings, store, booted }) => {
  const htmlHeaders = pageHeaders(settings.color)
  const userOf = (req) => req.headers['mux-user'] || null

  const whoami = (req) => ({
    user: userOf(req),
    instance: settings.instance,
    database: settings.database,
    pid: process.pid,
    booted,
    title: settings.title,
    color: settings.color,
    notes: store.count(),
  })

  const page = (req, status = 200, problem = undefined) => ({
    status,
    headers: { ...htmlHeaders, vary: 'accept' },
    body: pageHtml({ who: whoami(req), notes: store.list(), problem }),
  })

  const listNotes = (req) => (wantsHtml(req.headers) ? page(req) : json(200, { notes: store.list() }))

  const addNote = async (req) => {
    const note = store.add(await readText(req), userOf(req))
    return wantsHtml(req.headers) ? seeOther('/') : json(201, note, { location: `/notes/${note.id}` })
  }

  const showNote = (req, id) => {
    const note = store.find(id)
    if (!note) throw new Refusal(404, 'There is no such note.')
    return json(200, note)
  }

  const deleteNote = (req, id) => {
    if (!store.remove(id)) throw new Refusal(404, 'There is no such note.')
    return { status: 204 }
  }

  // A form can't send DELETE. A note that is gone already is what was asked for.
  const deleteFromPage = (req, id) => {
    store.remove(id)
    return seeOther('/')
  }

  const resources = [
    [/^\/$/, { GET: (req) => page(req) }],
    [/^\/notes$/, { GET: listNotes, POST: addNote }],
    [/^\/notes\/(\d{1,15})$/, { GET: showNote, DELETE: deleteNote }],
    [/^\/notes\/(\d{1,15})\/delete$/, { POST: deleteFromPage }],
    [/^\/whoami$/, { GET: (req) => json(200, whoami(req)) }],
    [/^\/ping$/, { GET: () => ({ status: 204 }) }],
    [/^\/icon\.svg$/, { GET: () => ({ status: 200, headers: iconHeaders, body: iconSvg(settings.color) }) }],
  ]

  const answer = (req) => {
    const path = req.url.split('?', 1)[0]
    const method = req.method === 'HEAD' ? 'GET' : req.method
    for (const [pattern, handlers] of resources) {
      const match = pattern.exec(path)
      if (!match) continue
      const handler = handlers[method]
      if (!handler) {
        const allow = Object.keys(handlers).flatMap((name) => (name === 'GET' ? ['GET', 'HEAD'] : [name]))
        throw new Refusal(405, 'That method is not possible here.', { allow: allow.join(', ') })
      }
      if (method !== 'GET') requireSameOrigin(req.headers)
      return handler(req, Number(match[1]))
    }
    throw new Refusal(404, 'There is no such page.')
  }

  const refuse = (req, { status, message, headers }) => {
    const body = wantsHtml(req.headers) ? page(req, status, message) : json(status, { error: message })
    return { ...body, headers: { ...body.headers, ...headers } }
  }

  return async (req, res) => {
    try {
      try {
        send(res, await answer(req))
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        send(res, refuse(req, error))
      }
    } catch (error) {
      if (req.errored) return // the client went away in the middle of its request: nobody is left to answer
      console.error(error)
      send(res, json(500, { error: 'Something went wrong; it is in the log.' }))
    }
  }
}

const iconHeaders = { 'content-type': 'image/svg+xml', 'content-security-policy': "default-src 'none'" }

const json = (status, value, headers = {}) => ({
  status,
  headers: { 'content-type': 'application/json; charset=utf-8', vary: 'accept', ...headers },
  body: JSON.stringify(value) + '\n',
})

const seeOther = (location) => ({ status: 303, headers: { location } })

const send = (res, { status, headers = {}, body = '' }) => {
  const length = status === 204 ? {} : { 'content-length': Buffer.byteLength(body) }
  res.writeHead(status, { ...EVERY_ANSWER, ...headers, ...length }).end(body)
}
