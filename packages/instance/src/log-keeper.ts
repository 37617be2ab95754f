import { type ChildProcess as NodeChild, execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { constants, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type InstanceName, parseInstanceName } from '@mux/contract'
import type { LogEvent } from './log-event.ts'
import { logPath, marksPath } from './log-paths.ts'
import { Output } from './output.ts'
import { hasProc } from './proc.ts'
import { isAlive, signal, startTimeOf } from './process-tree.ts'
import { pause, within } from './wait.ts'

/** What the keeper is told, over its channel. */
export type KeeperOrder =
  /** `begins`: nothing has been read from this pipe before. */
  { op: 'open'; fifo: string; log: string; marks: string; begins: boolean } | { op: 'tail'; fifo: string }

/** What it tells. */
export type KeeperReport =
  | { event: 'opened'; fifo: string }
  | { event: 'ended' | 'tail'; fifo: string; text: string }
  | { event: 'log_rotated'; log: string }
  | { event: 'log_failed'; log: string; code: string }

/** Runs beside this file: as it is, or compiled. */
const PROGRAM = fileURLToPath(new URL(`./keep-logs${extname(import.meta.url)}`, import.meta.url))
/** It has no need of more, and what it has instances do not. */
const MEMORY = ['--max-old-space-size=32', '--max-semi-space-size=1']
const FIFO_NAME = /^(.+)\.(\d+)\.[0-9a-f]{8}\.out$/
const RECORD = 'keeper.pid'
/** Milliseconds before one that ended by itself is followed by another, and those that its end may take. */
const AGAIN_AFTER = 200
const END_LIMIT = 2_000

const run = promisify(execFile)

/**
 * The process that writes the instances' logs, one for all of them. A generation writes into a named pipe; the keeper
 * reads it, writes the log and rotates it, which nobody can do for a program that holds the log itself without losing
 * lines. It is in a session of its own and outlives the supervisor, and ends when nobody writes any more. A generation
 * holds its pipe open for reading as well, so that the death of the keeper ends nothing: until the next one reads on,
 * the pipe takes what is written, and when it is full the generation waits. The supervisor holds it for as long, so that the
 * last words of a generation that ends meanwhile are there to be read.
 */
export class LogKeeper {
  readonly #pipes: string
  readonly #logs: string
  readonly #log: (event: LogEvent) => void
  readonly #outputs = new Map<string, Output>()
  #process: NodeChild | undefined
  /** The one whose record was written. */
  #recorded: NodeChild | undefined
  #closing = false

  constructor(stateDirectory: string, log: (event: LogEvent) => void) {
    this.#pipes = join(stateDirectory, 'output')
    this.#logs = join(stateDirectory, 'logs')
    this.#log = log
  }

  /** Takes over from the keeper of a supervisor that died: it is ended between two lines, and its pipes are read on. */
  async takeOver(): Promise<void> {
    mkdirSync(this.#pipes, { recursive: true, mode: 0o700 })
    const left = readdirSync(this.#pipes).flatMap((entry) => {
      const instance = parseInstanceName(FIFO_NAME.exec(entry)?.[1] ?? '')
      return instance ? [new Output(join(this.#pipes, entry), instance, null, this.#ask)] : []
    })
    for (const output of left) output.hold()
    await endPredecessor(this.#record)
    unlessUnwritable(() => rmSync(this.#record, { force: true }))
    for (const output of left) this.#keep(output, false)
  }

  async open(instance: InstanceName, generation: number): Promise<Output> {
    const fifo = join(this.#pipes, `${instance}.${generation}.${randomBytes(4).toString('hex')}.out`)
    mkdirSync(this.#pipes, { recursive: true, mode: 0o700 })
    await run('mkfifo', ['-m', '600', fifo])
    // For reading and writing, opening does not wait for the keeper, and writing does not fail without one.
    const output = new Output(fifo, instance, openSync(fifo, constants.O_RDWR), this.#ask)
    this.#keep(output, true)
    return output
  }

  /** Lets it end with the last of the generations; those that are left keep it. */
  async close(): Promise<void> {
    await within(Promise.all([...this.#outputs.values()].map(({ kept }) => kept)), END_LIMIT)
    this.#closing = true
    for (const output of this.#outputs.values()) output.opened()
    const keeper = this.#process
    if (!keeper) return
    const ended = new Promise((resolve) => keeper.once('exit', resolve))
    if (keeper.connected) keeper.disconnect()
    if (await within(ended, END_LIMIT)) unlessUnwritable(() => rmSync(this.#record, { force: true }))
  }

  get #record(): string {
    return join(this.#pipes, RECORD)
  }

  #keep(output: Output, begins: boolean): void {
    this.#outputs.set(output.fifo, output)
    this.#process ??= this.#start()
    this.#writeDown(this.#process)
    this.#order(output, begins)
  }

  /** Who can't be written down now is with the next output. */
  #writeDown(keeper: NodeChild): void {
    const { pid } = keeper
    if (this.#recorded === keeper || pid === undefined) return
    unlessUnwritable(() => {
      writeRecord(this.#record, pid)
      this.#recorded = keeper
    })
  }

  readonly #ask = (fifo: string): void => this.#tell({ op: 'tail', fifo })

  #order({ fifo, instance }: Output, begins: boolean): void {
    const log = logPath(this.#logs, instance)
    this.#tell({ op: 'open', fifo, log, marks: marksPath(log), begins })
  }

  #tell(order: KeeperOrder): void {
    if (this.#process?.connected) this.#process.send(order, () => {})
  }

  #start(): NodeChild {
    const keeper = spawn(process.execPath, [...MEMORY, PROGRAM], {
      argv0: 'mux log keeper',
      cwd: '/',
      detached: true,
      env: {},
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
    keeper.unref()
    keeper.channel?.unref()
    keeper.on('message', (report: KeeperReport) => this.#hear(report))
    keeper.once('error', (error) => this.#gone(keeper, { reason: String(error) }))
    keeper.once('exit', (code, endedBy) => this.#gone(keeper, { code, signal: endedBy }))
    this.#writeDown(keeper)
    return keeper
  }

  #gone(keeper: NodeChild, why: Omit<LogEvent, 'event'>): void {
    if (this.#process === keeper) this.#process = undefined
    if (this.#closing) return
    for (const output of this.#outputs.values()) output.hold()
    this.#log({ event: 'log_keeper_ended', ...why })
    setTimeout(() => this.#restart(), AGAIN_AFTER).unref()
  }

  #restart(): void {
    if (this.#closing || this.#process || this.#outputs.size === 0) return
    this.#process = this.#start()
    for (const output of this.#outputs.values()) this.#order(output, false)
  }

  #hear(report: KeeperReport): void {
    switch (report.event) {
      case 'opened':
        this.#outputs.get(report.fifo)?.opened()
        return
      case 'ended':
        this.#outputs.get(report.fifo)?.opened()
        this.#outputs.get(report.fifo)?.told(report.text)
        this.#outputs.delete(report.fifo)
        return
      case 'tail':
        this.#outputs.get(report.fifo)?.told(report.text)
        return
      case 'log_rotated':
      case 'log_failed': {
        const { event, log, ...rest } = report
        this.#log({ event, instance: basename(log, '.log'), ...rest })
        return
      }
      default:
        report satisfies never
    }
  }
}

/** A disk that is full or can't be written must not end the supervisor, nor keep it from ending. */
function unlessUnwritable(write: () => void): void {
  try {
    write()
  } catch {
    // As above.
  }
}

function writeRecord(path: string, pid: number): void {
  writeFileSync(path, `${pid} ${startTimeOf(pid) ?? ''}`, { mode: 0o600 })
}

/** Ends the keeper that a supervisor before us has left, which loses nothing; not by its pid alone. */
async function endPredecessor(record: string): Promise<void> {
  let text: string
  try {
    text = readFileSync(record, 'utf8')
  } catch {
    return
  }
  const [, pid, startTime] = /^(\d+) (\S+)$/.exec(text) ?? []
  if (!hasProc || startTime === undefined) return
  const predecessor = { pid: Number(pid), startTime, marker: '' }
  const deadline = performance.now() + END_LIMIT
  if (isAlive(predecessor)) signal(predecessor.pid, 'SIGTERM')
  while (isAlive(predecessor) && performance.now() < deadline) await pause(10)
  if (isAlive(predecessor)) signal(predecessor.pid, 'SIGKILL')
}
