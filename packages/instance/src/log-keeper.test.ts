import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { fixture, lives, logKeeper, nameOf, temporaryDirectory } from './fixtures/laboratory.ts'
import type { LogEvent } from './log-event.ts'
import type { LogKeeper } from './log-keeper.ts'
import { olderFile } from './log-paths.ts'

const MiB = 1024 * 1024
/** At rest, all of it comes within a few. */
const OFTEN = { interval: 20 }

function place() {
  const stateDirectory = temporaryDirectory()
  const events: LogEvent[] = []
  const keeper = logKeeper(stateDirectory, (event) => events.push(event))
  const log = join(stateDirectory, 'logs', 'django1.log')
  return { stateDirectory, events, keeper, log }
}

/** A program whose output the keeper keeps. */
async function writer(keeper: LogKeeper, ...command: [string, ...string[]]) {
  const output = await keeper.open(nameOf('django1'), 1)
  const [program, ...args] = command
  const child = spawn(program, args, { stdio: ['pipe', output.descriptor, output.descriptor] })
  output.release()
  onTestFinished(() => void child.kill('SIGKILL'))
  const exited = once(child, 'exit')
  return { output, child, exited }
}

function say(child: ChildProcess, text: string): void {
  child.stdin!.write(text)
}

/** All that is kept of a log, oldest first, one text a file. */
function files(log: string): string[] {
  return [4, 3, 2, 1, 0]
    .map((age) => olderFile(log, age))
    .filter((file) => existsSync(file))
    .map((file) => readFileSync(file, 'latin1'))
}

function keeperPid(stateDirectory: string): number {
  return Number(readFileSync(join(stateDirectory, 'output', 'keeper.pid'), 'utf8').split(' ')[0])
}

function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024
}

describe('the log of a program', () => {
  it('loses no line of a writer at full speed over more rotations than are kept, and tears none', async () => {
    const { keeper, log, events } = place()
    const lines = 800_000
    const { exited } = await writer(keeper, process.execPath, fixture('counts'), String(lines))
    await exited
    await expect.poll(() => files(log).at(-1)?.endsWith(`line ${lines}\n`), OFTEN).toBe(true)
    const kept = files(log)
    expect(kept.every((file) => file.endsWith('\n') && file.length <= 10 * MiB)).toBe(true)
    const numbers = kept
      .join('')
      .trimEnd()
      .split('\n')
      .map((line) => Number(/^x+ line (\d+)$/.exec(line)![1]))
    const first = numbers[0]!
    expect(numbers.length).toBe(lines - first + 1)
    expect(numbers.every((number, n) => number === first + n)).toBe(true)
    expect(events.filter(({ event }) => event === 'log_rotated').length).toBeGreaterThan(7)
  })

  it('stays within its cap when a quarter of a gigabyte comes without the end of a line, and the keeper in little memory', async () => {
    const { keeper, log, stateDirectory } = place()
    const { exited } = await writer(keeper, 'sh', '-c', 'head -c 268435456 /dev/zero; echo; echo done')
    await expect.poll(() => existsSync(log), OFTEN).toBe(true)
    const pid = keeperPid(stateDirectory)
    const before = residentBytes(pid)
    await exited
    expect(residentBytes(pid) - before).toBeLessThan(100 * MiB)
    await expect.poll(() => files(log).at(-1)?.endsWith('done\n'), OFTEN).toBe(true)
    expect(readdirSync(join(stateDirectory, 'logs')).filter((file) => file.includes('.log'))).toHaveLength(5)
    expect(files(log).every((file) => file.length <= 10 * MiB)).toBe(true)
  })

  it('goes on in a new file when somebody moves it or deletes its directory', async () => {
    const { keeper, log } = place()
    const { child } = await writer(keeper, 'cat')
    say(child, 'one\n')
    await expect.poll(() => files(log), OFTEN).toEqual(['one\n'])
    renameSync(log, `${log}.moved`)
    await expect.poll(() => (say(child, 'two\n'), existsSync(log)), OFTEN).toBe(true)
    expect(readFileSync(`${log}.moved`, 'latin1')).toMatch(/^one\n(two\n)*$/)
    rmSync(join(log, '..'), { recursive: true })
    await expect.poll(() => (say(child, 'three\n'), existsSync(log)), OFTEN).toBe(true)
  })

  it('of two generations at once has whole lines of both', async () => {
    const { keeper, log } = place()
    const old = await writer(keeper, 'cat')
    const next = await writer(keeper, 'cat')
    say(next.child, 'new: half')
    say(old.child, 'old: half')
    say(next.child, ' and half\n')
    await expect.poll(() => files(log), OFTEN).toEqual(['new: half and half\n'])
    old.child.stdin!.end()
    await expect.poll(() => files(log), OFTEN).toEqual(['new: half and half\nold: half\n'])
  })

  it('is complete when the program ends before anybody has begun to read', async () => {
    const { keeper } = place()
    const { output, exited } = await writer(keeper, 'sh', '-c', 'echo first; echo last >&2')
    await exited
    expect(await output.tail(20)).toEqual(['first', 'last'])
    expect(await output.tail(1)).toEqual(['last'])
  })

  it('can be reopened by the program through its standard descriptors', async () => {
    const { keeper } = place()
    const { output, exited } = await writer(
      keeper,
      'sh',
      '-c',
      'echo out > /dev/stdout; echo err > /dev/stderr',
    )
    await exited
    expect(await output.tail(20)).toEqual(['out', 'err'])
  })
})

describe('the keeper of the logs', () => {
  it('that is killed is followed by another, and no program notices', async () => {
    const { keeper, log, stateDirectory, events } = place()
    const { child, exited } = await writer(keeper, 'cat')
    say(child, 'before\n')
    await expect.poll(() => files(log), OFTEN).toEqual(['before\n'])
    process.kill(keeperPid(stateDirectory), 'SIGKILL')
    await expect.poll(() => events).toHaveLength(1)
    // It ends as well before the next one is there.
    child.stdin!.end('meanwhile\n')
    await exited
    await expect.poll(() => files(log), OFTEN).toEqual(['before\nmeanwhile\n'])
    expect(events).toEqual([expect.objectContaining({ event: 'log_keeper_ended', signal: 'SIGKILL' })])
  })

  it('goes on where neither its record nor what is left of a pipe can be written', async () => {
    const { keeper, log, stateDirectory, events } = place()
    const first = await writer(keeper, 'cat')
    const { child } = await writer(keeper, 'cat')
    await first.output.kept
    const pid = keeperPid(stateDirectory)
    const record = join(stateDirectory, 'output', 'keeper.pid')
    for (const path of [record, first.output.fifo]) {
      rmSync(path)
      mkdirSync(path)
    }
    first.child.stdin!.end()
    await expect.poll(() => lives(first.child.pid!), OFTEN).toBe(false)
    say(child, 'before\n')
    await expect.poll(() => files(log), OFTEN).toEqual(['before\n'])
    expect(events).toEqual([])
    process.kill(pid, 'SIGKILL')
    say(child, 'after\n')
    await expect.poll(() => files(log), OFTEN).toEqual(['before\nafter\n'])
    rmSync(record, { recursive: true })
    await writer(keeper, 'cat')
    expect(lives(keeperPid(stateDirectory))).toBe(true)
  })

  it('outlives its supervisor, is taken over from by the next one, and no line is lost on the way', async () => {
    const { keeper, log, stateDirectory } = place()
    const { child, exited } = await writer(keeper, process.execPath, fixture('counts'), 'until told', '30')
    await expect.poll(() => files(log)[0]?.length, OFTEN).toBeGreaterThan(0)
    const first = keeperPid(stateDirectory)
    await keeper.close()
    expect(lives(first)).toBe(true)
    const leaving = []
    for (let n = 0; n < 2; n++) {
      const next = logKeeper(stateDirectory)
      const before = files(log).join('').length
      await next.takeOver()
      await expect.poll(() => files(log).join('').length, OFTEN).toBeGreaterThan(before)
      leaving.push(next.close())
    }
    expect(lives(first)).toBe(false)
    await logKeeper(stateDirectory).takeOver()
    await Promise.all(leaving)
    // It ends while the last of them is only just beginning.
    child.stdin!.end()
    await exited
    await expect.poll(() => files(log).at(-1)?.endsWith(' the last\n'), OFTEN).toBe(true)
    const numbers = files(log)
      .join('')
      .trimEnd()
      .split('\n')
      .map((line) => Number(/ line (\d+)/.exec(line)![1]))
    expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, n) => n + 1))
  })

  it('ends by itself with the last of the programs, and leaves nothing in the way', async () => {
    const { keeper, log, stateDirectory } = place()
    const { child } = await writer(keeper, 'cat')
    const pid = keeperPid(stateDirectory)
    say(child, 'one\n')
    await expect.poll(() => files(log), OFTEN).toEqual(['one\n'])
    const closing = keeper.close()
    child.stdin!.end()
    await closing
    await expect.poll(() => lives(pid), OFTEN).toBe(false)
    expect(readdirSync(join(stateDirectory, 'output'))).toEqual([])
  })

  it('keeps the files to their owner', async () => {
    const { keeper, log, stateDirectory } = place()
    const { output } = await writer(keeper, 'sh', '-c', 'echo; exec sleep 60')
    await expect.poll(() => files(log), OFTEN).toEqual(['\n'])
    const modes = [output.fifo, log, join(stateDirectory, 'logs', 'django1.times')].map(
      (file) => statSync(file).mode,
    )
    expect(modes.map((mode) => mode & 0o777)).toEqual([0o600, 0o600, 0o600])
  })
})
