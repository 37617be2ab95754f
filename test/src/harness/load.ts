import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { basic, FIXTURES, type Project } from './project.ts'
import { until, within } from './until.ts'

/** How many requests a whole load has. */
export const REQUESTS = 15_000
export const IN_FLIGHT = 32
/** How long the load may go on after it was told that it is enough, and between two steps of it, in milliseconds. */
const PROGRESS_LIMIT = 400_000

/** A mux that was killed in between, in milliseconds since the epoch. */
export interface Kill {
  from: number
  to: number
}

/** How long a client waits for an answer, in milliseconds: longer than mux ever makes it wait. */
const PATIENCE = 200_000
/** By how much the clocks of two processes may differ, in milliseconds. */
const CLOCKS = 50

interface Failure {
  id: string
  /** How it was lost. */
  kind?: string
  status?: number
  body?: string
}

interface Lost extends Failure {
  kind: string
  /** Milliseconds since the epoch. */
  began: number
  ended: number
}

/** What became of every request; nothing is left out. */
export interface Tally {
  sent: number
  /** 2xx, by whomever. */
  answered: number
  /** Answered with something that is another's: id, user, instance or body. */
  misdelivered: Failure[]
  /** Answered with something other than 2xx. */
  refused: Failure[]
  /** Without an answer of its own. */
  lost: Lost[]
  /** What started more than once, by the ledger of the instances. */
  duplicated: string[]
  /** Answered, though the ledger of its instance says otherwise: not begun, not finished, or begun by another instance too. */
  unaccounted: string[]
  /** Which of the lost ones the instance had begun to carry out. */
  carriedOut: string[]
  /** Processes that answered, by instance, in the order in which they first did; one that changes colour stands twice. */
  processes: Record<string, { pid: number; colour: string | null }[]>
  /** Milliseconds. */
  p50: number
  p99: number
  longest: number
}

export interface LoadOptions {
  keepAlive: boolean
  /** How many requests in a row are of one user; 1 unless told otherwise. */
  burst?: number
  requests?: number
  /** Session cookies by user; with a password if absent. */
  cookies?: Record<string, string>
  /** Sends one request at a time, each at about the moment when the instance has been idle for so many milliseconds. */
  idle?: number
}

/** Where the ledger of an instance is. */
export type LedgerOf = (instance: string) => string

let runs = 0

/** Requests to instances that keep a ledger (fixtures/ledger.mjs), sent by a process of its own without a second try. */
export class Load {
  readonly #child: ChildProcess
  readonly #instances: Record<string, string>
  readonly #run: string
  readonly #closed: Promise<unknown>
  #done = 0
  #rounds = 0
  #tally: Omit<Tally, 'duplicated' | 'unaccounted' | 'carriedOut'> | undefined

  /** @param instances by user */
  constructor(
    url: string,
    instances: Record<string, string>,
    { keepAlive, burst = 1, requests = REQUESTS, cookies = {}, idle }: LoadOptions,
  ) {
    this.#instances = instances
    this.#run = `run${++runs}`
    const clients = Object.entries(instances).map(([user, instance]) => ({
      user,
      instance,
      proof: user in cookies ? `Cookie: ${cookies[user]}` : `Authorization: ${basic(user)}`,
    }))
    const inFlight = idle === undefined ? IN_FLIGHT : 1
    const order = {
      url,
      run: this.#run,
      clients,
      inFlight,
      requests,
      keepAlive,
      burst,
      idle,
      patience: PATIENCE,
    }
    this.#child = fork(join(FIXTURES, 'load-generator.mjs'), [JSON.stringify(order)], { execArgv: [] })
    // Not its exit, which may come before what it said last.
    this.#closed = once(this.#child, 'close')
    this.#child.on('message', (told: { done?: number; round?: true; tally?: Tally }) => {
      this.#done = told.done ?? this.#done
      if (told.round) this.#rounds++
      this.#tally = told.tally
    })
  }

  /** Returns when so many have come to their end. */
  async reached(count: number): Promise<void> {
    await until(
      `${count} requests`,
      () => {
        if (this.#child.exitCode !== null) throw new Error(`the load ended with ${this.#child.exitCode}`)
        return this.#done >= count || this.#tally !== undefined || undefined
      },
      PROGRESS_LIMIT,
    )
  }

  /** Returns when each client has had an answer to something that it has asked since: everybody has met who serves now. */
  async round(): Promise<void> {
    const wanted = this.#rounds + 1
    if (this.#child.connected) this.#child.send('round')
    await until(
      'an answer to each',
      () => this.#rounds >= wanted || this.#tally !== undefined || undefined,
      PROGRESS_LIMIT,
    )
  }

  /**
   * Lets it come to its end, and compares what the clients saw with what the instances did.
   * @param where the project of all of them, or where the ledger of each is
   */
  async end(where: Project | LedgerOf): Promise<Tally> {
    if (this.#child.connected) this.#child.send('enough')
    await within('the end of the load', this.#closed, PROGRESS_LIMIT)
    if (!this.#tally) throw new Error('the load ended without a tally')
    return { ...this.#tally, ...(await this.#audit(where, this.#tally)) }
  }

  /** For a test that has failed meanwhile. */
  kill(): void {
    this.#child.kill('SIGKILL')
  }

  async #audit(
    where: Project | LedgerOf,
    { sent, lost, refused }: Pick<Tally, 'sent' | 'lost' | 'refused'>,
  ): Promise<Pick<Tally, 'duplicated' | 'unaccounted' | 'carriedOut'>> {
    const ledgerOf =
      typeof where === 'function' ? where : (instance: string) => where.path('.mux/data', instance, 'ledger')
    const starts = new Map<string, string[]>()
    const ends = new Set<string>()
    for (const instance of new Set(Object.values(this.#instances))) {
      for (const line of (await readFile(ledgerOf(instance), 'utf8')).split('\n')) {
        const [what, id] = line.split(' ') as [string, string]
        if (!id?.startsWith(`${this.#run}.`)) continue
        if (what === 'start') starts.set(id, [...(starts.get(id) ?? []), instance])
        else ends.add(id)
      }
    }
    const failed = new Set([...lost, ...refused].map(({ id }) => id))
    const duplicated = [...starts].filter(([, found]) => found.length > 1).map(([id]) => id)
    const ids = [...starts.keys()].filter((id) => !failed.has(id))
    const unaccounted = ids.filter(
      (id) =>
        !ends.has(id) || starts.get(id)!.some((instance) => instance !== this.#instances[id.split('.')[2]!]),
    )
    // What was answered, and never began.
    const missing = sent - failed.size - ids.length
    if (missing !== 0) unaccounted.push(`${missing} that no instance has begun`)
    return { duplicated, unaccounted, carriedOut: lost.map(({ id }) => id).filter((id) => starts.has(id)) }
  }
}

/** One line a run. */
export function printTally(title: string, tally: Tally, more: Record<string, unknown> = {}): void {
  const { sent, answered, p50, p99, longest } = tally
  const counts = { sent, answered, ...countsOf(tally), ...more, p50, p99, longest }
  process.stdout.write(`${title}: ${JSON.stringify(counts)}\n`)
}

/** Every request has got one answer, its own, and was carried out once. */
export function expectWhole(tally: Tally, requests = REQUESTS): void {
  expect(tally.sent).toBeGreaterThanOrEqual(requests)
  expect(firstOf(tally)).toEqual({ misdelivered: [], refused: [], lost: [], duplicated: [], unaccounted: [] })
  expect(tally.answered).toBe(tally.sent)
}

/**
 * As {@link expectWhole}, but for what was under way with a mux that was killed: it is lost, and its client is told so
 * before it loses its patience.
 */
export function expectLostByKills(tally: Tally, kills: readonly Kill[], requests = REQUESTS): void {
  expect(tally.sent).toBeGreaterThanOrEqual(requests)
  expect({ ...firstOf(tally), lost: [] }).toEqual({
    misdelivered: [],
    refused: [],
    lost: [],
    duplicated: [],
    unaccounted: [],
  })
  expect(tally.answered + tally.lost.length).toBe(tally.sent)
  expect(tally.lost.length).toBeLessThanOrEqual(kills.length * IN_FLIGHT)
  const others = tally.lost.filter(
    ({ kind, began, ended }) =>
      kind.startsWith('no answer') ||
      !kills.some(({ from, to }) => began <= to + CLOCKS && ended >= from - CLOCKS),
  )
  expect(others).toEqual([])
}

function countsOf(tally: Tally) {
  const { misdelivered, refused, lost, duplicated, unaccounted } = tally
  return {
    lost: lost.length,
    refused: refused.length,
    duplicated: duplicated.length,
    misdelivered: misdelivered.length,
    unaccounted: unaccounted.length,
  }
}

/** So much of what went wrong as fits a screen. */
function firstOf({ misdelivered, refused, lost, duplicated, unaccounted }: Tally) {
  const some = <T>(list: T[]) => list.slice(0, 5)
  return {
    misdelivered: some(misdelivered),
    refused: some(refused),
    lost: some(lost),
    duplicated: some(duplicated),
    unaccounted: some(unaccounted),
  }
}
