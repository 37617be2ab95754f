// The program of the log keeper; see log-keeper.ts.
import { closeSync, constants, openSync, readSync, rmSync } from 'node:fs'
import { Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { KeeperOrder, KeeperReport } from './log-keeper.ts'
import { RotatingFile } from './rotating-file.ts'

const CHUNK = 64 * 1024
/** Bytes of a generation's last words that are kept at hand. */
const TAIL = 16 * 1024
/** Milliseconds after which the begin of a line is shown without its end, if nobody else writes. */
const UNFINISHED_FOR = 100
/** All reading and writing is done in one turn, so one buffer serves every output. */
const buffer = Buffer.alloc(CHUNK)

/** A log, and the generations that write to it now. */
interface Log {
  file: RotatingFile
  writers: Set<Output>
}

/** What one generation writes. */
interface Output {
  log: Log
  tail: Buffer
  /** The begin of a line, held back for its end, so that generations which write at the same time tear no line apart. */
  begun: Buffer
}

const NOTHING: Buffer = Buffer.alloc(0)
const logs = new Map<string, Log>()
const outputs = new Map<string, Output>()
let flushing: NodeJS.Timeout | undefined

function tell(report: KeeperReport): void {
  // The supervisor may be gone, or about to be: output is kept all the same.
  if (process.connected) process.send!(report, () => {})
}

function logOf(path: string, marks: string): Log {
  const found = logs.get(path)
  if (found) return found
  const rotated = () => tell({ event: 'log_rotated', log: path })
  const failed = (code: string) => tell({ event: 'log_failed', log: path, code })
  const log = { file: new RotatingFile({ path, marks, rotated, failed }), writers: new Set<Output>() }
  logs.set(path, log)
  return log
}

function open({ fifo, log: path, marks, begins }: Extract<KeeperOrder, { op: 'open' }>): void {
  if (outputs.has(fifo)) return
  let descriptor: number
  try {
    descriptor = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch {
    tell({ event: 'ended', fifo, text: '' })
    return
  }
  const log = logOf(path, marks)
  const output: Output = { log, tail: NOTHING, begun: NOTHING }
  if (begins) log.file.endLine()
  log.writers.add(output)
  outputs.set(fifo, output)
  tell({ event: 'opened', fifo })
  if (isOver(descriptor, output)) {
    closeSync(descriptor)
    end(fifo, output)
    return
  }
  const socket = new Socket({
    fd: descriptor,
    readable: true,
    writable: false,
    onread: {
      buffer,
      callback: (length) => {
        take(output, buffer.subarray(0, length))
        return true
      },
    },
  })
  socket.on('error', () => socket.destroy())
  socket.on('close', () => end(fifo, output))
}

/** A pipe that nobody holds any more says so when it is read, but not when it is waited for. */
function isOver(descriptor: number, output: Output): boolean {
  try {
    for (;;) {
      const length = readSync(descriptor, buffer)
      if (length === 0) return true
      take(output, buffer.subarray(0, length))
    }
  } catch {
    return false
  }
}

function take(output: Output, bytes: Buffer): void {
  const { log } = output
  output.tail =
    bytes.length >= TAIL
      ? Buffer.from(bytes.subarray(-TAIL))
      : Buffer.concat([output.tail.subarray(bytes.length - TAIL), bytes])
  const whole = output.begun.length > 0 ? Buffer.concat([output.begun, bytes]) : bytes
  const end = whole.length > CHUNK ? whole.length : whole.lastIndexOf(0x0a) + 1
  if (end > 0) log.file.write(whole.subarray(0, end))
  output.begun = Buffer.from(whole.subarray(end))
  if (output.begun.length > 0) flushing ??= setTimeout(flushLater, UNFINISHED_FOR)
}

function flushLater(): void {
  flushing = undefined
  for (const output of outputs.values()) if (output.log.writers.size === 1) flush(output)
}

function flush(output: Output): void {
  if (output.begun.length > 0) output.log.file.write(output.begun)
  output.begun = NOTHING
}

function end(fifo: string, output: Output): void {
  const { log } = output
  flush(output)
  outputs.delete(fifo)
  log.writers.delete(output)
  try {
    rmSync(fifo, { force: true })
  } catch {
    // Where the disk can't be written, it is left for the next supervisor; the other outputs have to be read on.
  }
  if (log.writers.size > 0) log.file.endLine()
  else {
    log.file.close()
    for (const [path, other] of logs) if (other === log) logs.delete(path)
  }
  tell({ event: 'ended', fifo, text: output.tail.toString() })
  leaveIfDone()
}

async function tellTail(fifo: string): Promise<void> {
  // What lies in the pipe at this moment is read within a turn.
  await nextTurn()
  await nextTurn()
  const output = outputs.get(fifo)
  if (output) tell({ event: 'tail', fifo, text: output.tail.toString() })
}

/** Without a supervisor it stays for as long as somebody writes. */
function leaveIfDone(): void {
  if (!process.connected && outputs.size === 0) leave()
}

function leave(): void {
  for (const output of outputs.values()) flush(output)
  process.exit(0)
}

process.on('message', (order: KeeperOrder) => {
  if (order.op === 'open') open(order)
  else void tellTail(order.fifo)
})
process.on('disconnect', leaveIfDone)
process.on('SIGTERM', leave)
// The terminal in which mux runs is none of its business.
process.on('SIGINT', () => {})
process.on('SIGHUP', () => {})
// Node would open its debugger, to every account of the machine.
process.on('SIGUSR1', () => {})
