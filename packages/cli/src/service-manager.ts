import { execFile } from 'node:child_process'
import { request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { EventLog } from './event-log.ts'

/** How long systemd may take to be told something, in milliseconds. */
const TOLD = 5_000

/** systemd, when it started this process and wants to know how it is (sd_notify(3)). */
export interface ServiceManager {
  /** It takes requests at this URL. From now on the watchdog is fed, where there is one, as long as they are answered. */
  ready(url: string): Promise<void>
  /**
   * It has begun to end.
   * @param limit milliseconds that this may take
   */
  stopping(limit: number): Promise<void>
}

/** Undefined when nobody wants to know. A message that does not arrive is logged, and hinders nothing. */
export function findServiceManager(
  environment: Readonly<NodeJS.ProcessEnv>,
  log: EventLog,
): ServiceManager | undefined {
  const { NOTIFY_SOCKET } = environment
  if (NOTIFY_SOCKET === undefined || NOTIFY_SOCKET === '') return undefined
  const interval = watchdogInterval(environment, process.pid)
  const serving = new AbortController()
  const tell = async (...state: string[]) => {
    try {
      await notify(environment, state)
    } catch (error) {
      log({ event: 'not_notified', state: state[0], error })
    }
  }
  return {
    async ready(url) {
      await tell('READY=1', `STATUS=Serving ${url}`)
      if (interval !== undefined) {
        void whileAnswering(url, interval, serving.signal, () => tell('WATCHDOG=1'))
      }
    },
    async stopping(limit) {
      serving.abort()
      await tell('STOPPING=1', 'STATUS=Ending', `EXTEND_TIMEOUT_USEC=${limit * 1000}`)
    },
  }
}

/** Milliseconds between two signs of life, half of what is asked for; undefined when none is (sd_watchdog_enabled(3)). */
export function watchdogInterval(environment: Readonly<NodeJS.ProcessEnv>, pid: number): number | undefined {
  const { WATCHDOG_USEC, WATCHDOG_PID } = environment
  if (WATCHDOG_PID !== undefined && WATCHDOG_PID !== String(pid)) return undefined
  if (WATCHDOG_USEC === undefined || !/^[1-9]\d{3,15}$/.test(WATCHDOG_USEC)) return undefined
  return Math.max(1, Math.floor(Number(WATCHDOG_USEC) / 2000))
}

/** Asks mux itself by the way that everybody comes, and reports each time that it answers. Ends with the signal. */
async function whileAnswering(
  url: string,
  interval: number,
  signal: AbortSignal,
  report: () => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    if (await answers(url, interval / 2)) await report()
    await delay(interval, undefined, { signal, ref: false }).catch(() => {})
  }
}

function answers(url: string, limit: number): Promise<boolean> {
  const target = new URL('/_mux/health', url)
  // A wildcard address is no destination everywhere.
  if (target.hostname === '0.0.0.0') target.hostname = '127.0.0.1'
  if (target.hostname === '[::]') target.hostname = '[::1]'
  return new Promise((resolve) => {
    const asked = request(target, { agent: false, signal: AbortSignal.timeout(limit) })
    asked.once('error', () => resolve(false))
    asked.once('response', (answer) => {
      answer.resume()
      // A gateway refuses it, which is an answer too.
      resolve(answer.statusCode! < 500)
    })
    asked.end()
  })
}

/**
 * By systemd's own program, because Node has no Unix datagram sockets. It waits until the message was taken, so that its
 * sender can be looked up; it is not the main process, hence `NotifyAccess=all`.
 */
function notify({ NOTIFY_SOCKET, PATH }: Readonly<NodeJS.ProcessEnv>, state: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(
      'systemd-notify',
      state,
      { env: { NOTIFY_SOCKET, PATH }, timeout: TOLD, killSignal: 'SIGKILL' },
      (error) => {
        if (error) reject(error)
        else resolve()
      },
    )
  })
}
