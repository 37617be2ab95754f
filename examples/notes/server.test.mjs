import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text as readAll } from 'node:stream/consumers'
import { after, test } from 'node:test'
import { DatabaseSync } from 'node:sqlite'

const WAIT = 60_000
const SERVER = join(import.meta.dirname, 'server.mjs')
const scratch = mkdtempSync(join(tmpdir(), 'notes-'))
let made = 0

after(() => rmSync(scratch, { recursive: true }))

/** A directory such as mux gives to each instance. */
const newData = () => mkdtempSync(join(scratch, 'data-'))

/** Starts the server, for one test, with nothing in its environment but what mux would put there. */
const launch = (t, env, args = []) => {
  // The oldest Node warns of SQLite, which is no word of the server's.
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', SERVER, ...args], {
    env: { PATH: process.env.PATH, TZ: 'UTC', ...env },
  })
  child.exited = once(child, 'close')
  child.errors = readAll(child.stderr)
  t.after(() => {
    child.kill('SIGKILL')
    return child.exited
  })
  return child
}

/** Starts an instance on a Unix socket, and waits until it says that it listens, or has died. */
const start = async (t, env = {}, data = newData()) => {
  const socketPath = join(scratch, `${++made}.sock`)
  const child = launch(t, { MUX_INSTANCE: 'django1', MUX_DATA: data, MUX_SOCKET: socketPath, ...env })
  const first = await Promise.race([once(child.stdout, 'data'), child.exited.then(() => undefined)])
  assert.ok(first, `the server ended before it listened: ${first ? '' : await child.errors}`)
  const ask = (path, options) => request({ socketPath, path, ...options })
  const stop = async (signal = 'SIGTERM') => {
    child.kill(signal)
    return child.exited
  }
  return { child, socketPath, data, ask, stop }
}

const request = ({
  body,
  json,
  user = 'brian',
  headers = {},
  method = body || json ? 'POST' : 'GET',
  ...where
}) =>
  new Promise((resolve, reject) => {
    const sent = { 'mux-user': user, ...headers }
    if (json !== undefined) sent['content-type'] = 'application/json'
    const req = httpRequest({ method, headers: sent, timeout: WAIT, ...where })
    req.once('timeout', () => req.destroy(new Error('no answer')))
    req.once('error', reject)
    req.once('response', async (res) => {
      const text = await readAll(res)
      const isJson = res.headers['content-type']?.startsWith('application/json')
      resolve({
        status: res.statusCode,
        headers: res.headers,
        text,
        json: isJson && text ? JSON.parse(text) : undefined,
      })
    })
    req.end(json === undefined ? body : JSON.stringify(json))
  })

const FORM = { 'content-type': 'application/x-www-form-urlencoded' }
const BROWSER = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' }

test('whoami says who asks, which instance answers, from which database, in which process, since when', async (t) => {
  const before = Date.now()
  const { ask, child, data } = await start(t, { TITLE: 'Brian’s notes', COLOR: 'plum' })
  const { status, json, headers } = await ask('/whoami')
  assert.equal(status, 200)
  assert.equal(headers['cache-control'], 'no-store')
  const { booted, ...rest } = json
  assert.deepEqual(rest, {
    user: 'brian',
    instance: 'django1',
    database: join(data, 'notes.sqlite'),
    pid: child.pid,
    title: 'Brian’s notes',
    color: 'plum',
    notes: 0,
  })
  // To a second: Node counts from its start by another clock.
  const [early, late] = [before - Date.parse(booted), Date.parse(booted) - Date.now()]
  assert.ok(early < 1_000 && late < 1_000, `booted ${early} ms before it was started, or ${late} ms from now`)
})

test('a request without a user is nobody’s', async (t) => {
  const { ask } = await start(t)
  assert.equal((await ask('/whoami', { user: '' })).json.user, null)
  assert.equal((await ask('/notes', { user: '', json: { text: 'from nobody' } })).json.author, null)
})

test('a note is added, listed, shown and deleted as JSON', async (t) => {
  const { ask } = await start(t)
  const added = await ask('/notes', { json: { text: '  Milk\r\nand bread\u0000 ' } })
  assert.equal(added.status, 201)
  assert.equal(added.json.text, 'Milk\nand bread')
  assert.equal(added.json.author, 'brian')
  assert.equal(added.headers.location, `/notes/${added.json.id}`)
  assert.deepEqual((await ask('/notes')).json, { notes: [added.json] })
  assert.deepEqual((await ask(added.headers.location)).json, added.json)
  assert.equal((await ask(added.headers.location, { method: 'DELETE' })).status, 204)
  assert.equal((await ask(added.headers.location, { method: 'DELETE' })).status, 404)
  assert.deepEqual((await ask('/notes')).json, { notes: [] })
})

test('a note is added and deleted with the page’s forms, without any script', async (t) => {
  const { ask } = await start(t)
  const added = await ask('/notes', { body: 'text=Feed+the+cat', headers: { ...FORM, ...BROWSER } })
  assert.deepEqual([added.status, added.headers.location], [303, '/'])
  const page = await ask('/', { headers: BROWSER })
  assert.match(page.text, /Feed the cat/)
  const [, action] = /action="(\/notes\/\d+\/delete)"/.exec(page.text)
  const deleted = await ask(action, { method: 'POST', headers: BROWSER })
  assert.deepEqual([deleted.status, deleted.headers.location], [303, '/'])
  assert.doesNotMatch((await ask('/', { headers: BROWSER })).text, /Feed the cat/)
})

test('/notes is a page for a browser and JSON for anything else', async (t) => {
  const { ask } = await start(t)
  const kind = async (accept) =>
    (await ask('/notes', { headers: accept ? { accept } : {} })).headers['content-type']
  assert.match(await kind(BROWSER.accept), /^text\/html/)
  assert.match(await kind('application/json'), /^application\/json/)
  assert.match(await kind('*/*'), /^application\/json/)
  assert.match(await kind(undefined), /^application\/json/)
  assert.match(await kind('text/html;q=0.5, application/json'), /^application\/json/)
})

test('nothing that a user wrote becomes markup, and no script could run if it did', async (t) => {
  const attack = `<script>alert(1)</script>"'&<img src=x onerror=alert(1)>`
  const { ask } = await start(t, { TITLE: attack.slice(0, 60), MUX_INSTANCE: '<i>x</i>' })
  await ask('/notes', { json: { text: attack }, user: '<b>brian</b>' })
  const { text, headers } = await ask('/', { user: '<u>eve</u>', headers: BROWSER })
  assert.doesNotMatch(text, /<(script|img|b|i|u)[ >]/)
  assert.match(text, /&#60;script&#62;alert\(1\)/)
  const policy = headers['content-security-policy']
  assert.match(policy, /default-src 'none'/)
  assert.doesNotMatch(policy, /unsafe|script-src/)
  assert.equal(headers['x-content-type-options'], 'nosniff')
})

test('the policy lets the page’s own style apply, and no other', async (t) => {
  const { ask } = await start(t, { COLOR: 'amber' })
  const { text, headers } = await ask('/', { headers: BROWSER })
  const styles = [...text.matchAll(/<style>([^]*?)<\/style>/g)].map(([, style]) => style)
  assert.equal(styles.length, 1)
  const hash = createHash('sha256').update(styles[0]).digest('base64')
  assert.ok(headers['content-security-policy'].includes(`style-src 'sha256-${hash}';`))
  assert.doesNotMatch(text, / style=/)
})

test('two instances with their own settings share nothing', async (t) => {
  const one = await start(t, { TITLE: 'One' })
  const two = await start(t, { TITLE: 'Two', MUX_INSTANCE: 'django2', DATABASE_NAME: 'brian.sqlite3' })
  await one.ask('/notes', { json: { text: 'only in one' } })
  assert.deepEqual((await two.ask('/notes')).json.notes, [])
  assert.equal((await two.ask('/whoami')).json.database, join(two.data, 'brian.sqlite3'))
  assert.deepEqual(
    readdirSync(one.data).filter((name) => name.includes('brian')),
    [],
  )
  assert.match((await two.ask('/', { headers: BROWSER })).text, /<h1>Two<\/h1>/)
})

test('notes outlive a restart, and a new process serves beside the old one', async (t) => {
  const old = await start(t)
  await old.ask('/notes', { json: { text: 'before' } })
  const next = await start(t, {}, old.data)
  await Promise.all([
    old.ask('/notes', { json: { text: 'during, old' } }),
    next.ask('/notes', { json: { text: 'during, new' } }),
  ])
  await old.stop()
  const texts = (await next.ask('/notes')).json.notes.map(({ text }) => text)
  assert.deepEqual(texts.toSorted(), ['before', 'during, new', 'during, old'])
})

test('the health check answers without a user', async (t) => {
  const { ask } = await start(t)
  assert.equal((await ask('/ping', { user: '' })).status, 204)
})

test('HEAD answers as GET does, without a body', async (t) => {
  const { ask } = await start(t)
  const [get, head] = [await ask('/notes'), await ask('/notes', { method: 'HEAD' })]
  assert.deepEqual([head.status, head.text], [200, ''])
  assert.equal(head.headers['content-length'], get.headers['content-length'])
})

const json = (body, headers) => ({
  method: 'POST',
  body,
  headers: { 'content-type': 'application/json', ...headers },
})
const bad = [
  ['broken JSON', '/notes', json('{"text": '), 400],
  ['JSON that is not an object', '/notes', json('null'), 422],
  ['JSON without text', '/notes', json('{}'), 422],
  ['text that is not a string', '/notes', json('{"text": 5}'), 422],
  ['an empty note', '/notes', json('{"text": ""}'), 422],
  ['a note of nothing but blanks', '/notes', json('{"text": " \\n "}'), 422],
  ['a note that is too long', '/notes', json(`{"text": "${'x'.repeat(2001)}"}`), 422],
  ['bytes that are not UTF-8', '/notes', json(Buffer.from([0x7b, 0xff, 0x7d])), 400],
  ['a body that is too large', '/notes', json(Buffer.alloc(100_000, 0x20)), 413],
  ['a body that says it is huge', '/notes', json('', { 'content-length': 10 ** 12 }), 413],
  ['a body of another type', '/notes', { body: 'text=x', headers: { 'content-type': 'text/plain' } }, 415],
  ['an empty form', '/notes', { body: 'other=1', headers: FORM }, 422],
  ['another method', '/notes', { method: 'PUT' }, 405],
  ['another path', '/nothing', {}, 404],
  ['a note that is not there', '/notes/99', {}, 404],
  ['an id that is no number', '/notes/1%20or%201', { method: 'DELETE' }, 404],
]

test('bad input is refused in one sentence, and changes nothing', async (t) => {
  const { ask } = await start(t)
  for (const [name, path, options, status] of bad) {
    await t.test(name, async () => {
      const answer = await ask(path, options)
      assert.equal(answer.status, status)
      assert.equal(typeof answer.json.error, 'string')
    })
  }
  await t.test('a browser gets the same as a page', async (t) => {
    const answer = await ask('/notes', { body: 'text=', headers: { ...FORM, ...BROWSER } })
    assert.equal(answer.status, 422)
    assert.match(answer.text, /role="alert">The note is empty\./)
  })
  assert.equal((await ask('/whoami')).json.notes, 0)
})

const origins = [
  ['our own page', { 'sec-fetch-site': 'same-origin' }, 201],
  ['our own page, over plain HTTP', { host: 'notes.example', origin: 'http://notes.example' }, 201],
  [
    'our own page, behind a proxy that ends TLS',
    {
      host: 'inside',
      'x-forwarded-host': 'notes.example',
      'x-forwarded-proto': 'https',
      origin: 'https://notes.example',
    },
    201,
  ],
  ['a client that is no browser', {}, 201],
  ['another site', { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }, 403],
  ['a neighbour on the same site', { 'sec-fetch-site': 'same-site' }, 403],
  ['another site, over plain HTTP', { host: 'notes.example', origin: 'http://evil.example' }, 403],
  ['the same host with another scheme', { host: 'notes.example', origin: 'https://notes.example' }, 403],
  ['another port', { host: 'notes.example', origin: 'http://notes.example:8080' }, 403],
  ['a sandboxed frame', { host: 'notes.example', origin: 'null' }, 403],
]

test('a change is taken from our own pages and from tools, never from another site’s page', async (t) => {
  const { ask } = await start(t)
  for (const [name, headers, status] of origins) {
    await t.test(name, async () => {
      const answer = await ask('/notes', { body: 'text=x', headers: { ...FORM, ...headers } })
      assert.equal(answer.status, status)
    })
  }
  const before = (await ask('/notes')).json.notes
  const headers = { 'sec-fetch-site': 'cross-site' }
  assert.equal((await ask(`/notes/${before[0].id}`, { method: 'DELETE', headers })).status, 403)
  assert.equal((await ask(`/notes/${before[0].id}/delete`, { method: 'POST', headers })).status, 403)
  assert.deepEqual((await ask('/notes')).json.notes, before)
})

test('SIGTERM ends it cleanly: no new connection, the request in flight is finished, all of it is on disk', async (t) => {
  const { child, socketPath, data, ask } = await start(t)
  const idle = connect(socketPath)
  await once(idle, 'connect')
  const req = httpRequest({
    socketPath,
    path: '/notes',
    method: 'POST',
    headers: { 'content-type': 'application/json', 'content-length': 15, expect: '100-continue' },
  })
  req.flushHeaders()
  await once(req, 'continue') // the server has this request in hand, and waits for its body
  child.kill('SIGTERM')
  await refused(socketPath)
  const answered = once(req, 'response')
  req.end('{"text":"late"}')
  const [res] = await answered
  assert.equal(res.statusCode, 201)
  assert.equal(res.headers.connection, 'close')
  res.resume()
  assert.deepEqual(await child.exited, [0, null])
  assert.equal(await child.errors, '')
  assert.equal(existsSync(socketPath), false)
  assert.deepEqual(readdirSync(data), ['notes.sqlite'])
  const db = new DatabaseSync(join(data, 'notes.sqlite'))
  assert.equal(db.prepare('SELECT text FROM note').get().text, 'late')
  db.close()
  await assert.rejects(ask('/ping'))
})

/** Resolves when a connection to the socket is refused; each try waits for the one before. */
const refused = async (socketPath) => {
  for (const end = Date.now() + WAIT; Date.now() < end;) {
    const socket = connect(socketPath)
    const accepted = await once(socket, 'connect').then(
      () => true,
      () => false,
    )
    socket.destroy()
    if (!accepted) return
  }
  throw new Error('it goes on accepting connections')
}

test('a client that goes away in the middle of its request leaves no note and no trace in the log', async (t) => {
  const { child, socketPath, ask, stop } = await start(t)
  const req = httpRequest({
    socketPath,
    path: '/notes',
    method: 'POST',
    headers: { 'content-type': 'application/json', 'content-length': 15, expect: '100-continue' },
  })
  req.flushHeaders()
  await once(req, 'continue')
  req.write('{"text":')
  req.once('error', () => {})
  req.destroy()
  assert.equal((await ask('/whoami')).json.notes, 0)
  assert.deepEqual(await stop(), [0, null])
  assert.equal(await child.errors, '')
})

test('a socket that is not ours is left alone', async (t) => {
  const taken = join(scratch, 'taken.sock')
  writeFileSync(taken, 'something of somebody else')
  const child = launch(t, { MUX_DATA: newData(), MUX_SOCKET: taken })
  assert.deepEqual(await child.exited, [1, null])
  assert.match(await child.errors, /^notes: listen EADDRINUSE/)
  assert.equal(existsSync(taken), true)
})

test('the socket may be named by argument too, and a number means a port of this machine only', async (t) => {
  const socketPath = join(scratch, 'argument.sock')
  const byArgument = launch(t, { MUX_DATA: newData() }, [socketPath])
  await once(byArgument.stdout, 'data')
  assert.equal((await request({ socketPath, path: '/ping' })).status, 204)

  const byPort = launch(t, { MUX_DATA: newData(), PORT: '0' })
  const [line] = await once(byPort.stdout, 'data')
  const [, port] = /^notes: listening on http:\/\/127\.0\.0\.1:(\d+)\n$/.exec(line)
  assert.equal((await request({ port, path: '/ping' })).status, 204)
})

test('unusable settings are all named at once, and nothing is made', async (t) => {
  const data = newData()
  const child = launch(t, { MUX_DATA: data, TITLE: ' ', COLOR: 'mauve' })
  assert.deepEqual(await child.exited, [1, null])
  const errors = await child.errors
  for (const name of ['where to listen', 'TITLE', 'COLOR']) assert.match(errors, new RegExp(name))
  assert.deepEqual(readdirSync(data), [])
})

test('a database that cannot be opened is one sentence, not a stack', async (t) => {
  const child = launch(t, {
    MUX_SOCKET: join(scratch, 'none.sock'),
    DATABASE_NAME: join(scratch, 'no', 'such', 'notes'),
  })
  assert.deepEqual(await child.exited, [1, null])
  assert.match(await child.errors, /^notes: cannot open the database .*\n$/)
})
