import { setTimeout as sleep } from 'node:timers/promises'
import { type CloudflareAnswer, type RawAnswer, readAnswer } from './cloudflare-answer.ts'
import { CloudflareError } from './cloudflare-error.ts'

/** Cloudflare's REST API (https://developers.cloudflare.com/api/), as one holder of a token uses it. */
export interface CloudflareApi {
  /** One request. @throws {CloudflareError} */
  call: (method: string, path: string, body?: unknown) => Promise<CloudflareAnswer>
  /**
   * Does what is safe to repeat until it succeeds or fails for good: up to {@link ATTEMPTS} times, of {@link TIMEOUT} for
   * each request, with pauses of {@link LONGEST_PAUSE} at the most.
   * @throws {CloudflareError} the last one
   */
  again: <Result>(task: () => Promise<Result>) => Promise<Result>
  /** How this one waits, for other pauses than those after a failure. */
  wait: NonNullable<CloudflareApiOptions['wait']>
}

export interface CloudflareApiOptions {
  /** The API, up to its version. */
  baseUrl: string
  token: string
  /** How long one request may take, to the end of its answer, in milliseconds; by default {@link TIMEOUT}. */
  timeout?: number
  /**
   * @param milliseconds how long
   * @param failure what is tried again afterwards
   */
  wait?: (milliseconds: number, failure?: CloudflareError) => Promise<unknown>
}

const TIMEOUT = 30_000
const ATTEMPTS = 5
/** The pause after the first failure, in milliseconds; each further one is twice as long. */
const FIRST_PAUSE = 1000
/** The longest pause that Cloudflare may ask for, in milliseconds; it counts requests over five minutes. */
const LONGEST_PAUSE = 60_000

/** `setTimeout` itself would take the failure for what it is to return. */
const pause: CloudflareApi['wait'] = (milliseconds) => sleep(milliseconds)

/** @throws {CloudflareError} on a token that no header can carry */
export function createCloudflareApi({
  baseUrl,
  token,
  timeout = TIMEOUT,
  wait = pause,
}: CloudflareApiOptions): CloudflareApi {
  // The platform's own refusal of such a header would have the token in its text.
  if (!/^[\x21-\x7e]+$/.test(token))
    throw new CloudflareError('cloudflare_token_refused', 'The API token has characters that no token has.')
  const root = baseUrl.replace(/\/+$/, '')
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }

  async function exchange(method: string, path: string, body: unknown): Promise<RawAnswer> {
    try {
      const response = await fetch(`${root}${path}`, {
        method,
        headers,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        // Nobody else is to get the token.
        redirect: 'manual',
        signal: AbortSignal.timeout(timeout),
      })
      const retryAfter = response.headers.get('retry-after')
      return { status: response.status, retryAfter, body: await bodyOf(response) }
    } catch (cause) {
      const message = `Cloudflare cannot be reached: ${reasonOf(cause, timeout)}.`
      throw new CloudflareError('cloudflare_unreachable', message, { cause })
    }
  }

  return {
    wait,

    async call(method, path, body) {
      return readAnswer(await exchange(method, path, body), token)
    },

    async again(task) {
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await task()
        } catch (error) {
          if (!(error instanceof CloudflareError && error.isPassing) || attempt === ATTEMPTS) throw error
          const { retryAfter = 0 } = error
          if (retryAfter > LONGEST_PAUSE) throw error
          const ours = FIRST_PAUSE * 2 ** (attempt - 1) * (1 + Math.random() / 2)
          await wait(Math.max(retryAfter, ours), error)
        }
      }
    },
  }
}

/** An answer that breaks off has no more to tell than its status, which is not the same as no answer. */
async function bodyOf(response: Response): Promise<string> {
  try {
    return await response.text()
  } catch (error) {
    if (isTimeout(error)) throw error
    return ''
  }
}

/** What `fetch` says itself is that it failed; its cause says why. */
function reasonOf(error: unknown, timeout: number): string {
  if (isTimeout(error)) return `no answer within ${timeout / 1000} s`
  const { cause } = error as Error
  const isCoded = typeof cause === 'object' && cause !== null && 'code' in cause
  return isCoded ? String(cause.code) : 'the connection broke off'
}

function isTimeout(error: unknown): boolean {
  return (error as Error).name === 'TimeoutError'
}
