import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Ended, runMux, temporaryProject } from './fixtures/run-mux.ts'

const PROJECT = `# ours
app:
  command: node server.js   # the program
  settings: { A: 1, B: "{data}/b" }

instances:
  one: {}      # the first
  two:
    settings:
      A: 2     # more of it
`

function setUp() {
  const cwd = temporaryProject(PROJECT)
  const mux = (...args: string[]): Promise<Ended> => runMux(args, { cwd, input: 's3cr3t-value\n' })
  const must = async (...args: string[]): Promise<Ended> => {
    const ended = await mux(...args)
    expect([ended.code, ended.stderr]).toEqual([0, expect.anything()])
    return ended
  }
  return { cwd, mux, must, yamlNow: () => readFileSync(join(cwd, 'mux.yaml'), 'utf8') }
}

describe('mux instance', () => {
  it('set changes the lines of its settings and no others', async () => {
    const { must, yamlNow } = setUp()
    await must('instance', 'set', 'two', 'A=3', 'C=x=y', 'D=')
    expect(yamlNow()).toBe(
      PROJECT.replace('A: 2     # more of it\n', 'A: "3"     # more of it\n      C: x=y\n      D: ""\n'),
    )
    expect((await must('instance', 'set', 'two', 'A=3')).stdout).toContain('Nothing was changed')
    await must('instance', 'unset', 'two', 'C', 'D')
    expect(yamlNow()).toBe(PROJECT.replace('A: 2', 'A: "3"'))
    await must('instance', 'unset', 'two', 'A')
    expect(yamlNow()).toContain('  two: {}\n')
  })

  it('unset of what is not its own ends with 3 and says where it comes from', async () => {
    const { mux, yamlNow } = setUp()
    expect(await mux('instance', 'unset', 'two', 'B')).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('from app'),
    })
    expect(await mux('instance', 'unset', 'two', 'A', 'NO')).toMatchObject({ code: 3 })
    expect(yamlNow()).toBe(PROJECT)
  })

  it('set --secret keeps the value in a file of its own and shows it nowhere', async () => {
    const { cwd, must, yamlNow } = setUp()
    const said = await must('instance', 'set', 'two', '--secret', 'KEY')
    const file = join(cwd, '.mux/secrets/two.KEY')
    expect(readFileSync(file, 'utf8')).toBe('s3cr3t-value\n')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const shown = [
      said,
      await must('instance', 'show', 'two'),
      await must('instance', 'show', 'two', '--json'),
    ]
    expect(JSON.stringify(shown) + yamlNow()).not.toContain('s3cr3t')
    expect(shown[2]!.json()).toMatchObject({
      settings: expect.arrayContaining([
        { name: 'A', value: '2', from: 'instance' },
        { name: 'B', value: '{data}/b', from: 'app' },
        { name: 'KEY', value: null, from: 'instance' },
      ]),
    })
    await must('instance', 'unset', 'two', 'KEY')
    expect(existsSync(file)).toBe(false)
  })

  it('set that is refused leaves no secret behind', async () => {
    const { cwd, mux } = setUp()
    expect(await mux('instance', 'set', 'nowhere', '--secret', 'KEY')).toMatchObject({ code: 3 })
    expect(await mux('instance', 'set', 'two', '--secret', 'KEY', 'A={nonsense}')).toMatchObject({ code: 2 })
    expect(existsSync(join(cwd, '.mux/secrets/two.KEY'))).toBe(false)
    expect(existsSync(join(cwd, '.mux/secrets/nowhere.KEY'))).toBe(false)
  })

  it('add defines one with settings of its own; again is a no-op, otherwise a conflict', async () => {
    const { mux, must, yamlNow } = setUp()
    await must('instance', 'add', 'three', '--set', 'A=3', '--set', 'T=of three')
    expect(yamlNow()).toBe(`${PROJECT}  three:\n    settings:\n      A: "3"\n      T: of three\n`)
    expect((await must('instance', 'add', 'three', '--set', 'T=of three', '--set', 'A=3')).stdout).toContain(
      'already',
    )
    expect(await mux('instance', 'add', 'three', '--set', 'A=4')).toMatchObject({ code: 4 })
    expect(await mux('instance', 'add', 'one')).toMatchObject({ code: 0 })
  })

  it('remove is refused with 4 while users or routes point at it, and names them', async () => {
    const { mux, must, yamlNow } = setUp()
    await must('user', 'add', 'brian', '--instance', 'two', '--no-password')
    await must('route', 'set', 'a.example.org', '--instance', 'two')
    const refused = await mux('instance', 'remove', 'two', '--yes')
    expect(refused).toMatchObject({
      code: 4,
      stderr: expect.stringMatching(/user brian, route a\.example\.org/),
    })
    await must('user', 'remove', 'brian', '--yes')
    expect(await mux('instance', 'remove', 'two', '--yes')).toMatchObject({ code: 4 })
    await must('route', 'remove', 'a.example.org')
    await must('instance', 'remove', 'two', '--yes')
    expect(yamlNow()).toBe(PROJECT.slice(0, PROJECT.indexOf('  two:')))
  })

  it('remove keeps data and secrets, remove --purge does not', async () => {
    const { cwd, must } = setUp()
    for (const name of ['one', 'two']) {
      await must('instance', 'set', name, '--secret', 'KEY')
      mkdirSync(join(cwd, '.mux/data', name))
      writeFileSync(join(cwd, '.mux/data', name, 'db'), 'x')
      mkdirSync(join(cwd, '.mux/logs'), { recursive: true })
      for (const log of ['log', 'log.4', 'times.1'])
        writeFileSync(join(cwd, '.mux/logs', `${name}.${log}`), '')
    }
    await must('instance', 'remove', 'two', '--yes')
    await must('instance', 'remove', 'one', '--yes', '--purge')
    const there = ['data/two/db', 'secrets/two.KEY', 'data/one', 'secrets/one.KEY'].map((path) =>
      existsSync(join(cwd, '.mux', path)),
    )
    expect(there).toEqual([true, true, false, false])
    expect(readdirSync(join(cwd, '.mux/logs')).sort()).toEqual(['two.log', 'two.log.4', 'two.times.1'])
  })

  it('list shows who uses what', async () => {
    const { must } = setUp()
    await must('user', 'add', 'brian', '--instance', 'two', '--no-password')
    await must('route', 'set', '*', '--instance', 'one', '--public')
    expect((await must('instance', 'list', '--json')).json()).toEqual({
      instances: [
        { name: 'one', host: null, users: [], routes: ['*'], state: 'open', status: null, ownSettings: [] },
        {
          name: 'two',
          host: null,
          users: ['brian'],
          routes: [],
          state: 'open',
          status: null,
          ownSettings: ['A'],
        },
      ],
    })
  })

  it('eight changes at once lose none of each other', async () => {
    const { must } = setUp()
    await Promise.all(Array.from({ length: 8 }, (_, i) => must('instance', 'set', 'two', `V${i}=${i}`)))
    const shown = (await must('instance', 'show', 'two', '--json')).json() as { settings: { name: string }[] }
    expect(shown.settings.map(({ name }) => name).sort()).toEqual([
      'A',
      'B',
      ...Array.from({ length: 8 }, (_, i) => `V${i}`),
    ])
  })
})

describe('mux route', () => {
  it('set leads a key somewhere, elsewhere, and nowhere again', async () => {
    const { mux, must } = setUp()
    await must('route', 'set', 'Beta.Example.org.', '--instance', 'one')
    expect((await must('route', 'set', 'beta.example.org', '--instance', 'one')).stdout).toContain('already')
    expect(
      (await must('route', 'set', 'beta.example.org', '--instance', 'two', '--public', '--json')).json(),
    ).toEqual({
      key: 'beta.example.org',
      instance: 'two',
      access: 'public',
      from: 'one',
      changed: true,
    })
    expect((await must('route', 'list', '--json')).json()).toEqual({
      routes: [{ key: 'beta.example.org', instance: 'two', access: 'public', problem: null }],
    })
    expect(await mux('route', 'set', '*', '--instance', 'nowhere')).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('one, two'),
    })
    await must('route', 'remove', 'beta.example.org')
    expect(await mux('route', 'remove', 'beta.example.org')).toMatchObject({ code: 3 })
  })
})
