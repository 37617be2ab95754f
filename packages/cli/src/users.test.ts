import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { epochOf } from '@mux/contract'
import { openSqliteRegistry, type RegistryStore, verifyPassword } from '@mux/edge/registry'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type Ended, runMux, temporaryProject } from './fixtures/run-mux.ts'

const PROJECT = `# who runs where
app: { command: node server.js }
pool: { name: "django{n}" }
instances:
  django1: {}   # free
  django2: {}
`
const PASSWORD = 'correct horse'

/** A project, its command line with a password on standard input, and its registry. */
function setUp(yaml = PROJECT) {
  const cwd = temporaryProject(yaml)
  const mux = (...args: string[]): Promise<Ended> => runMux(args, { cwd, input: `${PASSWORD}\n` })
  const must = async (...args: string[]): Promise<Ended> => {
    const ended = await mux(...args)
    expect([ended.code, ended.stderr]).toEqual([0, expect.anything()])
    return ended
  }
  const registry = (): RegistryStore => {
    const opened = openSqliteRegistry(join(cwd, '.mux/registry.sqlite'))
    onTestFinished(() => opened.close())
    return opened
  }
  const yamlNow = () => readFileSync(join(cwd, 'mux.yaml'), 'utf8')
  return { cwd, mux, must, registry, yamlNow }
}

describe('mux user add', () => {
  it('does the four steps: instance, user, entry and password', async () => {
    const { must, registry } = setUp()
    await must('user', 'add', 'Brian', '--instance', 'django2', '--password-stdin')
    const record = await registry().read('user', 'brian')
    expect(record).toMatchObject({
      instance: 'django2',
      target: { host: 'local', origin: 'local:' },
      disabled: false,
    })
    expect(await verifyPassword(PASSWORD, record!.password)).toBe(true)
    expect(await registry().read('instance', 'django2')).toMatchObject({ state: 'open' })
  })

  it('again is a no-op that says so', async () => {
    const { must, registry } = setUp()
    await must('user', 'add', 'brian', '--instance', 'django2', '--password-stdin')
    const before = await registry().read('user', 'brian')
    const again = [
      await must('user', 'add', 'brian', '--instance', 'django2', '--password-stdin'),
      await must('user', 'add', 'BRIAN', '--generate'),
    ]
    for (const { stdout } of again) expect(stdout).toContain('there already')
    expect(await registry().read('user', 'brian')).toEqual(before)
  })

  it('of somebody who is there with something else ends with 4 and the command that would change it', async () => {
    const { cwd, mux, must, registry } = setUp()
    await must('user', 'add', 'brian', '--instance', 'django2', '--password-stdin')
    const before = await registry().read('user', 'brian')
    const other = await mux('user', 'add', 'brian', '--instance', 'django1', '--password-stdin')
    expect(other).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('mux user move brian --instance django1'),
    })
    const password = await runMux(['user', 'add', 'brian', '--password-stdin'], { cwd, input: 'another one' })
    expect(password).toMatchObject({ code: 4, stderr: expect.stringContaining('mux user password brian') })
    expect(await registry().read('user', 'brian')).toEqual(before)
  })

  it('without --instance takes a free one in the order of mux.yaml, then makes the next one', async () => {
    const { must, yamlNow } = setUp()
    const names = []
    for (const user of ['graham', 'brian', 'malcolm', 'dora']) {
      names.push((await must('user', 'add', user, '--no-password', '--json')).json())
    }
    expect(names).toMatchObject([
      { instance: 'django1', instanceCreated: false },
      { instance: 'django2', instanceCreated: false },
      { instance: 'django3', instanceCreated: true },
      { instance: 'django4', instanceCreated: true },
    ])
    expect(yamlNow()).toBe(`${PROJECT}  django3: {}\n  django4: {}\n`)
  })

  it("never gives away by itself what was somebody's, except to them", async () => {
    const { must } = setUp()
    await must('user', 'add', 'brian', '--no-password')
    await must('user', 'remove', 'brian', '--yes')
    expect((await must('user', 'add', 'carol', '--no-password', '--json')).json()).toMatchObject({
      instance: 'django2',
    })
    expect((await must('user', 'add', 'brian', '--no-password', '--json')).json()).toMatchObject({
      instance: 'django1',
    })
  })

  it('with an instance that there is not ends with 3 and lists what there is, unless --create', async () => {
    const { mux, must, registry, yamlNow } = setUp()
    const refused = await mux('user', 'add', 'brian', '--instance', 'django9', '--password-stdin')
    expect(refused).toMatchObject({ code: 3, stderr: expect.stringMatching(/django1, django2[^]*--create/) })
    expect(yamlNow()).toBe(PROJECT)
    expect(await registry().list('user')).toEqual([])
    await must('user', 'add', 'brian', '--instance', 'django9', '--create', '--password-stdin')
    expect(yamlNow()).toBe(`${PROJECT}  django9: {}\n`)
  })

  it('shows a generated password once, and it is the right one', async () => {
    const { must, registry } = setUp()
    const { password } = (await must('user', 'add', 'brian', '--generate', '--json')).json() as {
      password: string
    }
    expect(await verifyPassword(password, (await registry().read('user', 'brian'))!.password)).toBe(true)
    expect((await must('user', 'show', 'brian', '--json')).stdout).not.toMatch(/scrypt|password":/)
  })

  it('does without a password where none is wanted, and takes one away', async () => {
    const { mux, must, registry } = setUp()
    const password = async () => (await registry().read('user', 'brian'))!.password
    await must('user', 'add', 'brian', '--no-password')
    expect(await password()).toBeNull()
    expect((await must('user', 'add', 'brian', '--no-password')).stdout).toContain('Nothing was changed')
    await must('user', 'password', 'brian', '--password-stdin')
    expect(await password()).not.toBeNull()
    const again = await mux('user', 'add', 'brian', '--no-password')
    expect(again).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('mux user password brian --no-password'),
    })
    expect((await must('user', 'password', 'brian', '--no-password')).stdout).toContain(
      'Took the password away',
    )
    expect(await password()).toBeNull()
    expect((await mux('user', 'password', 'brian', '--no-password', '--generate')).code).toBe(2)
  })

  it.each([
    ['one line break at the end is not part of it', 'correct horse\n', 'correct horse'],
    ['nor is one of Windows', 'correct horse\r\n', 'correct horse'],
    ['none is fine', 'correct horse', 'correct horse'],
    ['spaces are', ' correct horse  \n', ' correct horse  '],
    ['it may be in any script', 'пароль-日本\n', 'пароль-日本'],
  ])('takes a password from standard input: %s', async (_, input, password) => {
    const { cwd, registry } = setUp()
    expect(await runMux(['user', 'add', 'brian', '--password-stdin'], { cwd, input })).toMatchObject({
      code: 0,
    })
    expect(await verifyPassword(password, (await registry().read('user', 'brian'))!.password)).toBe(true)
  })

  it.each([
    ['empty', ''],
    ['a line break', '\n'],
    ['too short', 'seven77\n'],
    ['two lines', 'correct horse\nbattery\n'],
    ['longer than 1024 bytes', 'a'.repeat(1025)],
    ['with a NUL', 'correct\0horse'],
  ])('refuses a password that is %s with 2, and shows nothing of it', async (_, input) => {
    const { cwd, registry } = setUp()
    const ended = await runMux(['user', 'add', 'brian', '--password-stdin'], { cwd, input })
    expect(ended).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('[password_invalid]'),
    })
    expect(ended.stderr).not.toMatch(/seven77|horse|battery|aaaa/)
    expect(await registry().list('user')).toEqual([])
  })

  it('eight at once give eight people eight instances, and lose none of them', async () => {
    const { must, registry, yamlNow } = setUp()
    const users = Array.from({ length: 8 }, (_, i) => `user${i}`)
    await Promise.all(users.map((user) => must('user', 'add', user, '--no-password')))
    const records = await registry().list('user')
    const instances = records.map(({ record }) => (record as { instance: string }).instance)
    expect(new Set(instances).size).toBe(8)
    expect([...instances].sort()).toEqual(Array.from({ length: 8 }, (_, i) => `django${i + 1}`).sort())
    expect(yamlNow().match(/^ {2}django\d+: \{\}/gm)).toHaveLength(8)
  })

  it('of a registry that a newer mux wrote is refused with 1', async () => {
    const { mux, must, cwd } = setUp()
    await must('user', 'list')
    const { DatabaseSync } = await import('node:sqlite')
    const database = new DatabaseSync(join(cwd, '.mux/registry.sqlite'))
    database.exec('UPDATE schema SET version = 99')
    database.close()
    const ended = await mux('user', 'add', 'brian', '--password-stdin')
    expect(ended).toMatchObject({ code: 1, stderr: expect.stringContaining('[registry_newer]') })
  })
})

describe('mux user', () => {
  it('move gives another instance from now on, and keeps sessions', async () => {
    const { mux, must, registry } = setUp()
    await must('user', 'add', 'brian', '--generate')
    const before = await registry().read('user', 'brian')
    await must('user', 'move', 'brian', '--instance', 'django2')
    const after = await registry().read('user', 'brian')
    expect(after).toMatchObject({ instance: 'django2', password: before!.password })
    expect(after!.version).toBeGreaterThan(before!.version)
    expect(epochOf(after!)).toBe(epochOf(before!))
    expect((await must('user', 'move', 'brian', '--instance', 'django2')).stdout).toContain('already')
    expect(await registry().read('user', 'brian')).toEqual(after)
    expect(await mux('user', 'move', 'nobody', '--instance', 'django2')).toMatchObject({ code: 3 })
    expect(await mux('user', 'move', 'brian', '--instance', 'nowhere')).toMatchObject({ code: 3 })
    expect(
      (await must('user', 'move', 'brian', '--instance', 'django7', '--create', '--json')).json(),
    ).toMatchObject({
      from: 'django2',
      instanceCreated: true,
    })
  })

  it('password, disable, enable and sign-out each end the sessions; a second time the middle ones change nothing', async () => {
    const { mux, must, registry } = setUp()
    await must('user', 'add', 'brian', '--generate')
    const epoch = async () => epochOf((await registry().read('user', 'brian'))!)
    // What an earlier move has kept is ended all the same.
    await must('user', 'move', 'brian', '--instance', 'django2')
    let last = await epoch()
    for (const args of [
      ['password', 'brian', '--password-stdin'],
      ['disable', 'brian'],
      ['enable', 'brian'],
      ['sign-out', 'brian'],
    ]) {
      await must('user', ...args)
      expect(await epoch()).toBeGreaterThan(last)
      last = await epoch()
    }
    expect((await must('user', 'enable', 'brian')).stdout).toContain('already')
    expect(await epoch()).toBe(last)
    for (const args of [
      ['password', 'nobody', '--password-stdin'],
      ['disable', 'nobody'],
      ['enable', 'nobody'],
      ['show', 'nobody'],
    ]) {
      expect(await mux('user', ...args)).toMatchObject({
        code: 3,
        stderr: expect.stringContaining('[user_not_found]'),
      })
    }
  })

  it('remove asks for --yes where nobody can be asked, and then takes user and tokens', async () => {
    const { mux, must, registry } = setUp()
    await must('user', 'add', 'brian', '--no-password')
    const { id } = (await must('token', 'create', 'brian', '--json')).json() as { id: string }
    expect(await mux('user', 'remove', 'brian')).toMatchObject({ code: 2 })
    expect(await registry().read('user', 'brian')).toBeDefined()
    expect((await must('user', 'remove', 'brian', '--yes', '--json')).json()).toMatchObject({
      tokens: 1,
      instanceRemoved: false,
    })
    expect(await registry().read('user', 'brian')).toBeUndefined()
    expect(await registry().read('token', id)).toBeUndefined()
    expect(await mux('user', 'remove', 'brian', '--yes')).toMatchObject({ code: 3 })
  })

  it('remove --with-instance ends the instance too, but never one that somebody else uses', async () => {
    const { mux, must, registry, yamlNow } = setUp()
    await must('user', 'add', 'brian', '--instance', 'django2', '--no-password')
    await must('user', 'add', 'eve', '--instance', 'django2', '--no-password')
    expect(await mux('user', 'remove', 'brian', '--with-instance', '--yes')).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('user eve'),
    })
    expect(await registry().read('user', 'brian')).toBeDefined()
    await must('user', 'move', 'eve', '--instance', 'django1')
    await must('user', 'remove', 'brian', '--with-instance', '--yes')
    expect(yamlNow()).toBe(PROJECT.replace('  django2: {}\n', ''))
    expect(await registry().read('instance', 'django2')).toBeUndefined()
  })

  it('list shows a record that cannot be used as what it is, and remove takes it away', async () => {
    const { cwd, must } = setUp()
    await must('user', 'add', 'brian', '--no-password')
    const { DatabaseSync } = await import('node:sqlite')
    const database = new DatabaseSync(join(cwd, '.mux/registry.sqlite'))
    database.exec(`UPDATE records SET value = '{"v":1,"secret":"x"}' WHERE name = 'brian' AND kind = 'user'`)
    database.close()
    const { stdout } = await must('user', 'list')
    expect(stdout).toMatch(/brian .*cannot be used/)
    expect(stdout).not.toContain('secret')
    await must('user', 'remove', 'brian', '--yes')
    expect((await must('user', 'list', '--json')).json()).toEqual({ users: [] })
  })

  it('works while mux.yaml is broken, where mux.yaml is not needed', async () => {
    const { cwd, mux, must } = setUp()
    await must('user', 'add', 'brian', '--no-password')
    writeFileSync(join(cwd, 'mux.yaml'), 'app: [')
    await must('user', 'disable', 'brian')
    await must('user', 'password', 'brian', '--generate')
    expect(await mux('user', 'add', 'graham', '--generate')).toMatchObject({ code: 1 })
    await must('user', 'remove', 'brian', '--yes')
  })
})

describe('mux user import', () => {
  const HTPASSWD = `graham:$2y$05$abcdefghijklmnopqrstuuD3mHdCr44zlIZ.VZCaYRpfQhXMYnEo.
Brian:$apr1$sa./9Zlt$T1lHcGqgTj6Uf5b7CkuLJ1
`

  it('adds the people of an htpasswd file with their passwords; again, it changes nothing', async () => {
    const { cwd, must, registry } = setUp()
    writeFileSync(join(cwd, 'htpasswd'), HTPASSWD)
    expect((await must('user', 'import', 'htpasswd', '--json')).json()).toEqual({
      added: [
        { user: 'graham', instance: 'django1', kind: 'bcrypt' },
        { user: 'brian', instance: 'django2', kind: 'apr1' },
      ],
      present: [],
    })
    const brian = (await registry().read('user', 'brian'))!
    expect(await verifyPassword('correct horse battery', brian.password)).toBe(true)
    const again = await must('user', 'import', 'htpasswd')
    expect(again.stdout).toContain('There already, and not changed: graham, brian')
    expect(await registry().read('user', 'brian')).toEqual(brian)
  })

  it('takes all of a file or nothing, and names every line that it cannot take', async () => {
    const { cwd, mux, must, registry } = setUp()
    await must('user', 'list')
    writeFileSync(join(cwd, 'htpasswd'), `${HTPASSWD}eric:abiQ6Ep3EYTHc\nterry:hunter2\n`)
    const refused = await mux('user', 'import', 'htpasswd')
    expect(refused).toMatchObject({ code: 1, stdout: '' })
    expect(refused.stderr).toMatch(/\[file_unusable\]\n {2}line 3: eric [^]*\n {2}line 4: terry /)
    expect(refused.stderr).not.toMatch(/abiQ6Ep|hunter2/)
    expect(await registry().list('user')).toEqual([])
  })

  it.each(['nothing-there', '.'])('of %s ends with 1 and a reason', async (file) => {
    const { mux } = setUp()
    expect(await mux('user', 'import', file)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('[file_unusable]'),
    })
  })
})
