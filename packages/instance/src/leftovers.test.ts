import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { removeGroup } from './cgroup.ts'
import { otherSupervisor, recordsIn } from './fixtures/killed-supervisor.ts'
import { define, laboratory, lives, nameOf, temporaryDirectory } from './fixtures/laboratory.ts'
import { writeRecord } from './generation-record.ts'
import { startTimeOf } from './process-tree.ts'

describe('after its supervisor was killed', () => {
  it('an instance whose leader died too is ended by its marker', async () => {
    const stateDirectory = temporaryDirectory()
    const definition = define('django1', 'leaves-strays')
    await (await otherSupervisor(stateDirectory, definition)).kill()
    const family = readFileSync(join(stateDirectory, 'data/django1/family'), 'utf8').split(' ').map(Number)
    process.kill(recordsIn(stateDirectory)[0]!.pid!, 'SIGKILL')
    const { ask } = await laboratory([definition], { stateDirectory })
    await ask('django1')
    expect(family.map(lives)).toEqual([false, false, false])
  })

  it('an instance whose pid it had no time to write down is ended by its marker', async () => {
    const stateDirectory = temporaryDirectory()
    const definition = define('django1', 'serves', { settings: { BIND: '{socket}' } })
    await (await otherSupervisor(stateDirectory, definition)).kill()
    const run = join(stateDirectory, 'run')
    const record = recordsIn(stateDirectory)[0]!
    writeRecord(run, { ...record, pid: null, startTime: null })
    await laboratory([definition], { stateDirectory })
    await expect.poll(() => readdirSync(run)).toEqual([])
    expect(lives(record.pid!)).toBe(false)
  })

  it.each([
    ['of version 1', { v: 1 }],
    ['with settings that this version does not know', { v: 2, takeover: { stage: 'ready', definition: {} } }],
  ])('an instance with a record %s is ended before another is booted', async (_, rest) => {
    const stateDirectory = temporaryDirectory()
    const definition = define('django1', 'serves')
    await (await otherSupervisor(stateDirectory, definition)).kill()
    const { pid, startTime, marker, cgroup, address } = recordsIn(stateDirectory)[0]!
    // Of which such a record says nothing.
    if (cgroup !== null) onTestFinished(() => removeGroup(cgroup))
    const path = join(stateDirectory, 'run', 'django1.1.json')
    writeFileSync(path, JSON.stringify({ pid, startTime, marker, address, ...rest }))
    const { ask, status } = await laboratory([definition], { stateDirectory })
    expect((await ask('django1')).pid).not.toBe(pid)
    expect(lives(pid!)).toBe(false)
    expect(status('django1').generation!.number).toBe(2)
  })

  it.each(['start time', 'marker'])(
    'a stranger that got its pid, and has another %s, is left alone',
    async (what) => {
      const stateDirectory = temporaryDirectory()
      const server = `require('http').createServer((_, response) => response.end()).listen(process.argv[1])`
      const path = join(stateDirectory, 'socket')
      const stranger = spawn(process.execPath, ['-e', server, path], {
        stdio: 'ignore',
        detached: true,
        env: what === 'marker' ? { MUX_GENERATION: 'django1.3.fedcba9876543210' } : {},
      })
      onTestFinished(() => void stranger.kill('SIGKILL'))
      await expect.poll(() => existsSync(path)).toBe(true)
      const definition = define('django1', 'serves')
      const run = join(stateDirectory, 'run')
      mkdirSync(run)
      writeRecord(run, {
        instance: nameOf('django1'),
        number: 3,
        pid: stranger.pid!,
        startTime: what === 'marker' ? startTimeOf(stranger.pid!) : 'another boot/12',
        marker: 'django1.3.0123456789abcdef',
        cgroup: null,
        address: { socketPath: path },
        takeover: {
          stage: 'ready',
          since: new Date().toISOString(),
          stateDirectory,
          degraded: null,
          definition,
        },
      })
      const { ask, events } = await laboratory([definition], { stateDirectory })
      expect((await ask('django1')).pid).not.toBe(stranger.pid)
      expect(events[0]).toMatchObject({ event: 'leftover_ended', survivors: null })
      expect(lives(stranger.pid!)).toBe(true)
    },
  )

  it.each([
    '',
    '{"v":1',
    '[]',
    'null',
    '{"v":2}',
    '{"v":3}',
    '{"v":1,"pid":1,"startTime":"x","marker":"0123456789abcdef0","address":{"port":1}}',
  ])('a record that cannot be used is left alone, and its number is not given again: %j', async (text) => {
    const stateDirectory = temporaryDirectory()
    const path = join(stateDirectory, 'run', 'django1.1.json')
    mkdirSync(join(path, '..'))
    writeFileSync(path, text)
    const { events, ask, status } = await laboratory([define('django1', 'serves')], { stateDirectory })
    expect(events).toEqual([])
    await ask('django1')
    expect(status('django1').generation!.number).toBe(2)
    expect(readFileSync(path, 'utf8')).toBe(text)
  })

  it('the record that it was just writing is gone', async () => {
    const stateDirectory = temporaryDirectory()
    const run = join(stateDirectory, 'run')
    mkdirSync(run)
    for (const name of ['django1.9.json.new', 'django1.9.txt.new'])
      writeFileSync(join(run, name), '{"v":2,"pi')
    await laboratory([], { stateDirectory })
    expect(readdirSync(run)).toEqual(['django1.9.txt.new'])
  })

  it('what is no file, or is gone when it is read, hinders nobody', async () => {
    const stateDirectory = temporaryDirectory()
    const run = join(stateDirectory, 'run')
    mkdirSync(join(run, 'django1.1.json'), { recursive: true })
    symlinkSync(join(run, 'gone'), join(run, 'django1.2.json'))
    const { ask, status } = await laboratory([define('django1', 'serves')], { stateDirectory })
    await ask('django1')
    expect(status('django1').generation!.number).toBe(2)
  })
})
