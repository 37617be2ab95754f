import type { RestartReport } from '@mux/contract'
import { basic, statusOf, type Visitor, visitWithBasic, visitWithForm, type WhoAmI } from './visitor.ts'

/** One person of the demo. */
export interface Person {
  name: string
  instance: string
  password: string
}

/** What the demo has shown, in its order. Whoever prints it does so as it comes. */
export type Shown =
  | { step: 'served'; name: string; way: string; who: WhoAmI; notes: string[] }
  | { step: 'refused'; what: string; status: number }
  | { step: 'disguised'; name: string; as: string; who: WhoAmI }
  | { step: 'restarted'; name: string; report: RestartReport; reads: Reads }
  | { step: 'kept'; name: string; who: WhoAmI; notes: string[] }

/** What came of the reads by everybody else while one instance was restarted. */
export interface Reads {
  served: number
  failed: number
  /** Milliseconds that the slowest of them took. */
  slowest: number
}

/** The demo saw something else than what mux promises. */
export class DemoFailed extends Error {
  override readonly name = 'DemoFailed'
}

export interface ProofOptions {
  url: string
  people: readonly [Person, ...Person[]]
  /** The one whose instance is restarted. */
  restarted: Person
  restart: (instance: string) => Promise<RestartReport>
  show: (shown: Shown) => void
}

/**
 * Goes through what mux promises, over HTTP and as any client would.
 * @throws {DemoFailed} at the first promise that does not hold
 */
export async function prove({ url, people, restarted, restart, show }: ProofOptions): Promise<void> {
  const visitors = new Map<Person, Visitor>()
  for (const [index, person] of people.entries()) {
    const signIn = index === 0 ? visitWithForm : visitWithBasic
    const visitor = await signIn(url, person.name, person.password)
    visitors.set(person, visitor)
    await visitor.addNote(`A note of ${person.name}`)
    const who = await visitor.whoAmI()
    requireOwn(person, who)
    const notes = await visitor.notes()
    requireThat(
      notes.join() === `A note of ${person.name}`,
      `${person.name} sees other notes than their own.`,
    )
    show({ step: 'served', name: person.name, way: visitor.way, who, notes })
  }

  const [first, second = first] = people
  for (const [what, headers] of [
    ['somebody without credentials', {}],
    ['a wrong password', { authorization: basic(first.name, 'guessed') }],
    ['a user that nobody added', { authorization: basic('nobody', 'guessed') }],
  ] as [string, Record<string, string>][]) {
    const status = await statusOf(url, headers)
    requireThat(status === 401, `The page was given to ${what}: ${status}.`)
    show({ step: 'refused', what, status })
  }

  const disguised = await visitors
    .get(first)!
    .whoAmI({ 'mux-user': second.name, 'x-remote-user': second.name })
  requireOwn(first, disguised)
  show({ step: 'disguised', name: first.name, as: second.name, who: disguised })

  const others = people.filter((person) => person !== restarted)
  const stop = new AbortController()
  const reading = Promise.all(others.map((person) => readInALoop(person, visitors.get(person)!, stop.signal)))
  const report = await restart(restarted.instance).finally(() => stop.abort())
  const reads = (await reading).reduce(addReads)
  requireThat(reads.failed === 0, `${reads.failed} requests of the others failed during the restart.`)
  requireThat(reads.served > 0, 'Nobody was served during the restart.')
  requireThat(report.oldPid !== report.newPid, 'The restart left the old process.')
  show({ step: 'restarted', name: restarted.name, report, reads })

  const who = await visitors.get(restarted)!.whoAmI()
  requireOwn(restarted, who)
  const notes = await visitors.get(restarted)!.notes()
  requireThat(who.pid === report.newPid, 'The new process does not serve.')
  requireThat(notes.length === 1, 'The restart lost a note.')
  show({ step: 'kept', name: restarted.name, who, notes })
}

async function readInALoop(person: Person, visitor: Visitor, signal: AbortSignal): Promise<Reads> {
  const reads = { served: 0, failed: 0, slowest: 0 }
  do {
    const began = performance.now()
    const served = await visitor.whoAmI().then(
      (who) => who.instance === person.instance,
      () => false,
    )
    reads[served ? 'served' : 'failed'] += 1
    reads.slowest = Math.max(reads.slowest, performance.now() - began)
  } while (!signal.aborted)
  return reads
}

function addReads(a: Reads, b: Reads): Reads {
  return {
    served: a.served + b.served,
    failed: a.failed + b.failed,
    slowest: Math.max(a.slowest, b.slowest),
  }
}

function requireOwn(person: Person, who: WhoAmI): void {
  requireThat(
    who.user === person.name && who.instance === person.instance,
    `${person.name} was served by ${who.instance} as ${who.user ?? 'nobody'}.`,
  )
}

function requireThat(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new DemoFailed(otherwise)
}
