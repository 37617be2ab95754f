import { type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import type { Address } from './lease.ts'
import { pause } from './wait.ts'

/** Milliseconds between two tries: the first, and the longest. */
const FIRST_PAUSE = 10
const LONGEST_PAUSE = 250
/** Milliseconds that one try may take. */
const TRY_LIMIT = 5_000

/** What one try found out, in words that an operator can act on. */
export type Finding =
  | { ready: true }
  /** `untried`: this process could not even ask, so that nothing was found out. */
  | { ready: false; why: string; untried?: boolean }

/** What there is too little of in this process or on this machine when a connection cannot be begun. */
const LACKS = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS', 'EADDRNOTAVAIL'])

/**
 * Asks until the answer is yes or `signal` aborts.
 * @param health path that must answer 2xx or 3xx; null: it is enough that a connection is accepted
 * @param beforeTry done first, each time
 */
export async function untilReady(
  address: Address,
  health: string | null,
  signal: AbortSignal,
  beforeTry: () => void = () => {},
): Promise<Finding> {
  let finding: Finding = { ready: false, why: 'nothing was tried' }
  for (let wait = FIRST_PAUSE; !signal.aborted; wait = Math.min(wait * 1.5, LONGEST_PAUSE)) {
    beforeTry()
    const limit = AbortSignal.any([signal, AbortSignal.timeout(TRY_LIMIT)])
    const found = await probe(address, health, limit)
    if (found.ready) return found
    // A try that was cut short by the end of the wait says less than the one before it.
    if (!signal.aborted || finding.why === 'nothing was tried') finding = found
    await pause(wait, signal)
  }
  return finding
}

/** One try, for as long as `signal` lets it. */
export function probe(address: Address, health: string | null, signal: AbortSignal): Promise<Finding> {
  return health === null ? accepts(address, signal) : answers(address, health, signal)
}

function accepts(address: Address, signal: AbortSignal): Promise<Finding> {
  return new Promise((resolve) => {
    const socket = connect(
      'port' in address ? { port: address.port, host: '127.0.0.1' } : { path: address.socketPath },
    )
    const stop = () => finish({ ready: false, why: 'it did not accept a connection' })
    const finish = (finding: Finding) => {
      signal.removeEventListener('abort', stop)
      socket.destroy()
      resolve(finding)
    }
    signal.addEventListener('abort', stop)
    socket.once('connect', () => finish({ ready: true }))
    socket.once('error', (error: NodeJS.ErrnoException) => finish(notReached(error)))
  })
}

function answers(address: Address, path: string, signal: AbortSignal): Promise<Finding> {
  return new Promise((resolve) => {
    const asked = request({
      ...('port' in address ? { host: '127.0.0.1', port: address.port } : { socketPath: address.socketPath }),
      path,
      // A name that applications which check it take for their own more often than an address.
      headers: { Host: 'localhost', 'User-Agent': 'mux-probe', Accept: '*/*', Connection: 'close' },
      agent: false,
      signal,
    })
    asked.once('response', (response) => {
      const status = response.statusCode ?? 0
      const ready = status >= 200 && status < 400
      readOut(response)
      resolve(ready ? { ready } : { ready, why: `GET ${path} was answered ${status}` })
    })
    // Node closes without a word after a switch of protocols that nobody listens for.
    asked.once('close', () => resolve({ ready: false, why: `GET ${path} got no answer` }))
    asked.on('error', (error: NodeJS.ErrnoException) => {
      resolve(signal.aborted ? { ready: false, why: `GET ${path} was not answered` } : notReached(error))
    })
    asked.end()
  })
}

/** Takes the body, so that the application doesn't see its answer broken off; up to what a try may take. */
function readOut(response: IncomingMessage): void {
  const limit = setTimeout(() => response.destroy(), TRY_LIMIT)
  response.once('close', () => clearTimeout(limit))
  response.once('error', () => {})
  response.resume()
}

function notReached({ code = 'unknown' }: NodeJS.ErrnoException): Finding {
  const quiet = code === 'ECONNREFUSED' || code === 'ENOENT'
  return {
    ready: false,
    why: quiet ? 'nothing listens there' : `the connection failed (${code})`,
    untried: LACKS.has(code),
  }
}
