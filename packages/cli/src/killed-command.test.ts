import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { parseUserName } from '@mux/contract'
import { openSqliteRegistry } from '@mux/edge/registry'
import { describe, expect, it } from 'vitest'
import { addPerson } from './demo/site.ts'
import { PROGRAM, runMux, temporaryProject } from './fixtures/run-mux.ts'
import { projectAt } from './project.ts'

const PROJECT = 'app: { command: node server.js }\ninstances:\n  one: {}\n'
/** More than any command has. */
const MANY = 20

const canTrace = spawnSync('strace', ['-f', '-o', '/dev/null', 'true']).status === 0
const WITHOUT = 'needs strace, and a system that lets it trace'

/** Runs a command line under strace, its files written by one thread, so that its steps come in one order. */
function traced(cwd: string, args: readonly string[], options: readonly string[]) {
  return spawnSync('strace', ['-f', '-qq', ...options, process.execPath, PROGRAM, ...args], {
    cwd,
    // What Node itself would keep of what it compiled is no step of the command.
    env: { ...process.env, UV_THREADPOOL_SIZE: '1', NODE_DISABLE_COMPILE_CACHE: '1' },
    input: 's3cr3t-value\n',
    encoding: 'utf8',
    timeout: 60_000,
  })
}

/**
 * Ends a command line by a signal at its first durable step, then at its second, and so on, until one comes through.
 * @param args what to run in a round
 * @param check what holds after each end, and puts right what it left
 */
async function endedAtEachStep(
  by: 'KILL' | 'INT',
  cwd: string,
  args: (round: number) => string[],
  check: (round: number) => Promise<void>,
): Promise<number> {
  for (let round = 1; round <= MANY; round++) {
    const kill = ['-e', 'trace=fsync,rename', '-e', `inject=fsync,rename:signal=${by}:when=${round}`]
    const { status, signal } = traced(cwd, args(round), [...kill, '-o', '/dev/null'])
    if (status === 0) return round - 1
    expect(signal ?? status).toBeOneOf([`SIG${by}`, 128 + constants.signals[`SIG${by}`]])
    await check(round)
  }
  throw new Error('it never came through')
}

async function userOf(cwd: string, name: string) {
  const registry = openSqliteRegistry(join(cwd, '.mux/registry.sqlite'))
  try {
    return await registry.read('user', parseUserName(name)!)
  } finally {
    registry.close()
  }
}

const yamlOf = (cwd: string) => readFileSync(join(cwd, 'mux.yaml'), 'utf8')

describe('a command that is killed at any of its steps', () => {
  it('user add: nobody can sign in to nothing, and the same command completes it', async (context) => {
    if (!canTrace) context.skip(WITHOUT)
    const cwd = temporaryProject(PROJECT)
    await runMux(['user', 'list'], { cwd })
    const add = (n: number) => ['user', 'add', `u${n}`, '--instance', `i${n}`, '--create', '--generate']
    let before = PROJECT
    const kills = await endedAtEachStep('KILL', cwd, add, async (n) => {
      const after = `${before}  i${n}: {}\n`
      expect(yamlOf(cwd)).toBeOneOf([before, after])
      if (await userOf(cwd, `u${n}`)) expect(yamlOf(cwd)).toBe(after)
      expect(await runMux(add(n), { cwd })).toMatchObject({ code: 0 })
      expect(await userOf(cwd, `u${n}`)).toMatchObject({ instance: `i${n}`, disabled: false })
      expect(yamlOf(cwd)).toBe(after)
      before = after
    })
    expect(kills).toBeGreaterThan(5)
  })

  it('instance set: no setting names a secret that is not there', async (context) => {
    if (!canTrace) context.skip(WITHOUT)
    const cwd = temporaryProject(PROJECT)
    await runMux(['user', 'list'], { cwd })
    const kills = await endedAtEachStep(
      'KILL',
      cwd,
      (n) => ['instance', 'set', 'one', 'A=b', '--secret', `KEY${n}`],
      async (n) => {
        const isNamed = yamlOf(cwd).includes(`KEY${n}: { secret: one.KEY${n} }`)
        if (isNamed) expect(existsSync(join(cwd, `.mux/secrets/one.KEY${n}`))).toBe(true)
        expect(await runMux(['instance', 'set', 'one', `DONE${n}=1`], { cwd })).toMatchObject({ code: 0 })
      },
    )
    expect(kills).toBeGreaterThan(3)
  })

  it('user remove: they are out before their instance goes, and what is left of it can be removed', async (context) => {
    if (!canTrace) context.skip(WITHOUT)
    const line = (n: number) => `  i${n}: {}\n`
    const cwd = temporaryProject(PROJECT + Array.from({ length: MANY }, (_, n) => line(n + 1)).join(''))
    await addPerson(projectAt(cwd), 'u1', 'i1')
    const kills = await endedAtEachStep(
      'KILL',
      cwd,
      (n) => ['user', 'remove', `u${n}`, '--with-instance', '--yes'],
      async (n) => {
        const isDefined = yamlOf(cwd).includes(line(n))
        const isThere = (await userOf(cwd, `u${n}`)) !== undefined
        if (isThere) expect(isDefined).toBe(true)
        const rest = isThere
          ? ['user', 'remove', `u${n}`, '--with-instance', '--yes']
          : ['instance', 'remove', `i${n}`, '--yes']
        if (isDefined) expect(await runMux(rest, { cwd })).toMatchObject({ code: 0 })
        expect(yamlOf(cwd)).not.toContain(line(n))
        await addPerson(projectAt(cwd), `u${n + 1}`, `i${n + 1}`)
      },
    )
    expect(kills).toBeGreaterThan(3)
  })
})

it('Ctrl-C at any step lets a command finish what it has begun, and leaves no lock', async (context) => {
  if (!canTrace) context.skip(WITHOUT)
  const cwd = temporaryProject(PROJECT)
  await runMux(['user', 'list'], { cwd })
  const add = (n: number) => ['user', 'add', `u${n}`, '--instance', `i${n}`, '--create', '--generate']
  const ends = await endedAtEachStep('INT', cwd, add, async (n) => {
    expect([yamlOf(cwd).includes(`  i${n}: {}\n`), await userOf(cwd, `u${n}`)]).toEqual([
      true,
      expect.objectContaining({ instance: `i${n}` }),
    ])
  })
  expect(ends).toBeGreaterThan(5)
})

it('what replaces mux.yaml or a secret is on the disk before it does, and the directory after', async (context) => {
  if (!canTrace) context.skip(WITHOUT)
  const cwd = temporaryProject(PROJECT)
  const log = join(cwd, 'trace')
  traced(
    cwd,
    ['instance', 'set', 'one', 'A=b', '--secret', 'KEY'],
    ['-y', '-e', 'trace=fsync,rename', '-o', log],
  )
  const calls = readFileSync(log, 'utf8').match(/(?:fsync|rename)\(.*\) += 0/g) ?? []
  for (const file of ['mux.yaml', '.mux/secrets/one.KEY']) {
    const at = calls.findIndex(
      (call) => call.startsWith('rename') && call.includes(`, "${join(cwd, file)}")`),
    )
    const draft = /^rename\("([^"]+)"/.exec(calls[at] ?? '')?.[1]
    expect(calls[at - 1]).toMatch(new RegExp(`^fsync\\(\\d+<${draft}>\\)`))
    expect(calls[at + 1]).toMatch(new RegExp(`^fsync\\(\\d+<${join(cwd, file, '..')}>\\)`))
  }
})
