import { connect } from 'node:net'

/** The status of the first answer in what came back; undefined when there is none. */
export function statusOf(received: string): number | undefined {
  const found = /^HTTP\/1\.1 (\d{3}) /.exec(received)
  return found === null ? undefined : Number(found[1])
}

/** For a server that never closes, in milliseconds. */
const LIMIT = 120_000

/** Writes exact bytes to a server and reads until it closes: for what no HTTP client would send. */
export function exchangeRaw(url: string, bytes: string | Buffer): Promise<string> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname)
    const chunks: Buffer[] = []
    const done = () => {
      clearTimeout(timer)
      socket.destroy()
      resolve(Buffer.concat(chunks).toString('latin1'))
    }
    const timer = setTimeout(() => {
      socket.destroy()
      reject(new Error(`not closed within ${LIMIT} ms, after ${String(Buffer.concat(chunks))}`))
    }, LIMIT)
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNRESET' || error.code === 'EPIPE') return done()
      clearTimeout(timer)
      return reject(error)
    })
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.once('end', done)
    socket.write(bytes)
  })
}

/** Milliseconds in which nothing has come until {@link sayAndEnd} takes it that nothing more does, and ends its side. */
const QUIET = 50

/** As {@link exchangeRaw}, but does not wait for who holds back for more to come: it ends its side, and resets soon after. */
export function sayAndEnd(url: string, bytes: Buffer): Promise<string> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname)
    const chunks: Buffer[] = []
    // At once, most servers would leave what was asked undone.
    const quiet = setTimeout(() => socket.end(), QUIET)
    const limit = setTimeout(() => socket.destroy(), 10 * QUIET)
    socket.on('data', (chunk) => {
      chunks.push(chunk)
      quiet.refresh()
    })
    socket.on('error', () => {})
    socket.once('close', () => {
      clearTimeout(quiet)
      clearTimeout(limit)
      resolve(Buffer.concat(chunks).toString('latin1'))
    })
    socket.write(bytes)
  })
}

/** The status of each answer in what has come back. */
export function statusesIn(received: string): number[] {
  return [...received.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))
}

/** How many answers in what has come back say that something was done. */
export function successesIn(received: string): number {
  return statusesIn(received).filter((status) => status >= 200 && status < 300).length
}
