import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { define, laboratory, nameOf, temporaryDirectory } from './fixtures/laboratory.ts'

const CONFINED = { nice: 3, umask: 0o027, limits: { files: 256, processes: 4_000 } } as const

/** What proc(5) says of a process. */
function read(pid: number, file: string): string {
  return readFileSync(`/proc/${pid}/${file}`, 'latin1')
}

function niceness(pid: number): number {
  return Number(read(pid, 'stat').split(') ')[1]!.split(' ')[16])
}

async function failureOf(changes: Parameters<typeof define>[2]) {
  const { supervisor, events } = await laboratory([define('django1', 'serves', changes)])
  const failure = await supervisor.start(nameOf('django1')).catch((error: unknown) => error)
  expect(failure).toMatchObject({ code: 'instance_failed' })
  return { message: (failure as Error).message, nextTry: supervisor.status().instances[0]!.nextTry, events }
}

describe('what an instance is given before it begins', () => {
  it('is its niceness, umask and limits, and nothing that the launcher used', async () => {
    const { ask } = await laboratory([define('django1', 'serves', CONFINED)], {
      environment: { PATH: process.env['PATH'], SHLVL: '4', TOKEN: 'planted' },
    })
    const { pid, environment } = await ask('django1')
    expect(niceness(pid)).toBe(niceness(process.pid) + 3)
    expect(read(pid, 'status')).toMatch(/^Umask:\s*0027$/m)
    expect(read(pid, 'limits')).toMatch(/^Max open files\s+256\s+256\s/m)
    expect(read(pid, 'limits')).toMatch(/^Max processes\s+4000\s+4000\s/m)
    expect(read(pid, 'cmdline')).toMatch(/^mux:django1\0/)
    expect(Object.keys(environment).sort()).toEqual([
      'MUX_DATA',
      'MUX_GENERATION',
      'MUX_INSTANCE',
      'PATH',
      'PORT',
    ])
  })

  it('leaves no descriptor open but the three', async () => {
    const { supervisor, status } = await laboratory([
      define('django1', 'serves', {
        ...CONFINED,
        command: ['sleep', '600'],
        limits: { files: 16, start: 600_000 },
      }),
    ])
    let failure: unknown
    const starting = supervisor.start(nameOf('django1')).catch((error: unknown) => (failure = error))
    await expect.poll(() => failure ?? status('django1').generation?.pid).toBeGreaterThan(0)
    const { pid } = status('django1').generation!
    await expect.poll(() => readdirSync(`/proc/${pid}/fd`)).toEqual(['0', '1', '2'])
    await supervisor.stop(nameOf('django1'))
    await starting
  })

  it('says of its process no later than it runs that it is the program', async () => {
    const { supervisor, events } = await laboratory([define('django1', 'serves', CONFINED)])
    await supervisor.start(nameOf('django1'))
    const { pid } = supervisor.status().instances[0]!.generation!
    expect(events).toContainEqual(expect.objectContaining({ event: 'started', pid }))
    expect(readlinkSync(`/proc/${pid}/exe`)).toBe(process.execPath)
  })
})

describe('what it cannot be given', () => {
  it('is told by field, and not tried again by itself', async () => {
    const { message, nextTry } = await failureOf({ limits: { files: 2 ** 30 } })
    expect(message).toBe('limits.files: the system does not permit mux to set it so high.')
    expect(nextTry).toBeNull()
  })

  it('is not confused with the exit of a program', async () => {
    const { message } = await failureOf({ umask: 0o077, command: ['sh', '-c', 'exit 127'] })
    expect(message).toBe('It exited with code 127 before it was ready.')
  })

  it.each([
    ['#!/no/such/interpreter\n', 'the interpreter that its first line names does not exist'],
    ['\x7fELF\0\0', 'the system does not permit it to be executed'],
  ])('is a program that cannot be executed, told as without a launcher: %j', async (text, reason) => {
    const program = join(temporaryDirectory(), 'app')
    writeFileSync(program, text, { mode: 0o755 })
    const { message, nextTry } = await failureOf({ umask: 0o077, command: [program] })
    expect(message).toBe(`command: ${program} could not be started: ${reason}.`)
    expect(nextTry).toBeNull()
  })
})
