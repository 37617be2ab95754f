import { createServer } from 'node:http'
import { createApp } from './app.mjs'
import { readSettings } from './settings.mjs'
import { openStore } from './store.mjs'

// Less than the 10 s that mux allows before it kills: a client that never finishes must not cost us a clean end.
const LATEST_END = 8000
const SILENCE = 250

const start = () => {
  const settings = readSettings(process.env, process.argv.slice(2))
  const store = openStore(settings.database)
  const booted = new Date(performance.timeOrigin).toISOString()
  const handle = createApp({ settings, store, booted })

  const connections = new Set()
  const inFlight = new Set()
  let stopping = false

  // A proxy keeps connections open for reuse: it must be the proxy that closes an idle one, never we, or a request
  // that is already on its way would be lost.
  const server = createServer({ keepAliveTimeout: 75_000, headersTimeout: 10_000, requestTimeout: 30_000 })
  server.on('connection', (socket) => {
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
  })
  server.on('request', (req, res) => {
    inFlight.add(res)
    res.once('close', () => {
      inFlight.delete(res)
      if (stopping) server.closeIdleConnections()
    })
    if (stopping) res.shouldKeepAlive = false
    void handle(req, res)
  })

  const stop = () => {
    stopping = true
    // Node then sends `Connection: close` with what is not answered yet.
    for (const res of inFlight) res.shouldKeepAlive = false
    server.close(() => store.close())
    // Node counts a connection that never said a word as busy, and would wait for it.
    setTimeout(
      () => connections.forEach((socket) => socket.bytesRead === 0 && socket.destroy()),
      SILENCE,
    ).unref()
    setTimeout(() => server.closeAllConnections(), LATEST_END).unref()
  }
  // Once: a second signal finds Node's own handling, and ends the process there and then.
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)

  server.once('error', (error) => {
    store.close()
    fail(error)
  })
  server.listen(settings.listen, () => {
    const address = server.address()
    console.log(
      `notes: listening on ${typeof address === 'string' ? address : `http://127.0.0.1:${address.port}`}`,
    )
  })
}

const fail = (error) => {
  console.error(`notes: ${error.message}`)
  process.exitCode = 1
}

try {
  start()
} catch (error) {
  fail(error)
}
