import { connect } from 'node:net'

/** The status of the first answer in what came back; undefined when there is none. */
export function statusOf(received: string): number | undefined {
  const found = /^HTTP\/1\.1 (\d{3}) /.exec(received)
  return found === null ? undefined : Number(found[1])
}

/**
 * Writes exact bytes to a server and reads until it closes (or `limit` ms have passed): for what no HTTP client would send.
 */
export function exchangeRaw(url: string, bytes: string | Buffer, limit = 5_000): Promise<string> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname)
    const chunks: Buffer[] = []
    const done = () => {
      clearTimeout(timer)
      socket.destroy()
      resolve(Buffer.concat(chunks).toString('latin1'))
    }
    const timer = setTimeout(done, limit)
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
