import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { InstanceDefinition } from './definition.ts'
import { define, fixture, laboratory, lives, nameOf, temporaryDirectory } from './fixtures/laboratory.ts'
import { readRecords, writeRecord } from './generation-record.ts'

async function supervisorOf(stateDirectory: string, definition: InstanceDefinition): Promise<ChildProcess> {
  const child = spawn(process.execPath, [fixture('supervises'), stateDirectory, JSON.stringify(definition)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return child
}

async function killed(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL')
  await once(child, 'exit')
}

describe('after its supervisor was killed', () => {
  it('an instance goes on, and the next supervisor ends all of it before it boots another', async () => {
    const stateDirectory = temporaryDirectory()
    const definition = define('django1', 'leaves-strays')
    await killed(await supervisorOf(stateDirectory, definition))
    const record = readRecords(join(stateDirectory, 'run'))[0]!
    const family = [
      record.pid!,
      ...readFileSync(join(stateDirectory, 'data/django1/family'), 'utf8').split(' ').map(Number),
    ]
    expect(family.map(lives)).toEqual([true, true, true, true])
    const { ask, events } = await laboratory([definition], { stateDirectory })
    expect(family.map(lives)).toEqual([false, false, false, false])
    expect(events).toMatchObject([
      { event: 'leftover_ended', instance: 'django1', pid: record.pid, survivors: null },
    ])
    expect(family).not.toContain((await ask('django1')).pid)
  })

  it('an instance whose leader died too is ended by its marker', async () => {
    const stateDirectory = temporaryDirectory()
    const definition = define('django1', 'leaves-strays')
    await killed(await supervisorOf(stateDirectory, definition))
    const family = readFileSync(join(stateDirectory, 'data/django1/family'), 'utf8').split(' ').map(Number)
    process.kill(readRecords(join(stateDirectory, 'run'))[0]!.pid!, 'SIGKILL')
    await laboratory([], { stateDirectory })
    expect(family.map(lives)).toEqual([false, false, false])
  })

  it('an instance whose pid it had no time to write down is ended by its marker', async () => {
    const stateDirectory = temporaryDirectory()
    const definition = define('django1', 'serves', { settings: { BIND: '{socket}' } })
    await killed(await supervisorOf(stateDirectory, definition))
    const run = join(stateDirectory, 'run')
    const record = readRecords(run)[0]!
    writeRecord(run, { ...record, pid: null, startTime: null })
    await laboratory([definition], { stateDirectory })
    expect(lives(record.pid!)).toBe(false)
    expect(readdirSync(run)).toEqual([])
  })

  it('a stranger that got the pid of an instance is left alone, and the record goes', async () => {
    const stateDirectory = temporaryDirectory()
    const stranger = spawn('sleep', ['60'], { stdio: 'ignore', detached: true })
    onTestFinished(() => void stranger.kill('SIGKILL'))
    const run = join(stateDirectory, 'run')
    mkdirSync(run)
    writeRecord(run, {
      instance: nameOf('django1'),
      number: 3,
      pid: stranger.pid!,
      startTime: 'another boot/12',
      marker: 'django1.3.0123456789abcdef',
      address: { port: 1 },
    })
    await laboratory([], { stateDirectory })
    expect(lives(stranger.pid!)).toBe(true)
    expect(readdirSync(run)).toEqual([])
  })

  it.each([
    '',
    '{"v":1',
    '[]',
    'null',
    '{"v":2}',
    '{"v":1,"pid":1,"startTime":"x","marker":"0123456789abcdef0","address":{"port":1}}',
  ])('a record that cannot be used is left alone: %j', async (text) => {
    const stateDirectory = temporaryDirectory()
    const path = join(stateDirectory, 'run', 'django1.1.json')
    mkdirSync(join(path, '..'))
    writeFileSync(path, text)
    const { events } = await laboratory([], { stateDirectory })
    expect(events).toEqual([])
    expect(existsSync(path)).toBe(true)
  })
})
