import { Agent, type IncomingMessage, request } from 'node:http'
import type { Readable } from 'node:stream'
import { expect } from 'vitest'
import { basic } from './project.ts'
import { within } from './until.ts'

export interface Ask {
  method?: string
  /** Signs in with Basic as this user, whose password is the usual one of these tests. */
  user?: string
  headers?: Record<string, string | string[]>
  body?: string | Buffer | Readable
  agent?: Agent
  /** The address of this machine that it comes from. */
  localAddress?: string
}

/** For a request that hangs, and not for hundreds of megabytes on a machine that has much else to do, in milliseconds. */
const LIMIT = 400_000

export interface Answer {
  status: number
  headers: IncomingMessage['headers']
  rawHeaders: string[]
  body: string
  json: () => any // oxlint-disable-line typescript/no-explicit-any -- a test reads whatever an instance answers
}

/** One request whose target is sent byte for byte, on a connection of its own unless an agent is given. */
export async function ask(url: string, target: string, options: Ask = {}): Promise<Answer> {
  const response = await open(url, target, options)
  const chunks = (await within(`the rest of ${target}`, response.toArray(), LIMIT)) as Buffer[]
  const body = Buffer.concat(chunks).toString()
  const answer: Answer = {
    status: response.statusCode!,
    headers: response.headers,
    rawHeaders: response.rawHeaders,
    body,
    json: () => JSON.parse(body),
  }
  if (response.headers['content-type']?.startsWith('application/problem+json')) expectProblem(answer)
  return answer
}

/** What mux says itself has a code and the id of its request, is kept by no cache, and tells nothing of the machine. */
function expectProblem({ status, headers, json, body }: Answer): void {
  const { code, request_id, ...rest } = json()
  expect(code).toMatch(/^[a-z_]+$/)
  expect([rest.status, rest.type]).toEqual([status, `urn:mux:problem:${code}`])
  expect([request_id, headers['cache-control']]).toEqual([headers['x-request-id'], 'no-store'])
  expect(headers).not.toHaveProperty('server')
  expect(body).not.toMatch(
    /\/(?:tmp|home|root|var)\b|node:|\bat \w+ \(|\.[jt]s\b|127\.0\.0\.1|\bpid\b|Error\b/,
  )
}

/** As {@link ask}, but hands over the answer as soon as its head is there. */
export function open(url: string, target: string, options: Ask = {}): Promise<IncomingMessage> {
  const { hostname, port } = new URL(url)
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    const outgoing = request({
      hostname,
      port,
      path: target,
      method: options.method ?? 'GET',
      agent: options.agent ?? new Agent({ keepAlive: false }),
      localAddress: options.localAddress,
      headers: {
        // Node frames no body of DELETE or OPTIONS by itself.
        ...(framed(options.body) ? { 'content-length': String(Buffer.byteLength(options.body)) } : {}),
        ...(options.user === undefined ? {} : { authorization: basic(options.user) }),
        ...options.headers,
      },
    })
    outgoing.once('response', resolve)
    // Not once: one that was answered already may still fail, and then be given up.
    outgoing.on('error', reject)
    if (options.body === undefined || framed(options.body)) {
      outgoing.end(options.body)
    } else {
      options.body.once('error', (error) => outgoing.destroy(error))
      options.body.pipe(outgoing)
    }
  })
  return within(`an answer to ${target}`, answered, LIMIT)
}

function framed(body: Ask['body']): body is string | Buffer {
  return typeof body === 'string' || Buffer.isBuffer(body)
}

/** Every value of a header in a raw list, by its exact or folded name. */
export function valuesOf(rawHeaders: readonly string[], name: string): string[] {
  const values: string[] = []
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]!.toLowerCase() === name.toLowerCase()) values.push(rawHeaders[i + 1]!)
  }
  return values
}
