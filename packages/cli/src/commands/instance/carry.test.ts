import { spawnSync } from 'node:child_process'
import { mkdir, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { addUser, createProject, type TestProject, TWO_INSTANCES } from '../../fixtures/mux.ts'
import { PROGRAM } from '../../fixtures/run-mux.ts'

let project: TestProject
beforeEach(async () => {
  project = await createProject()
})
afterEach(() => project.remove())

/** Standard output as it is, and standard input from a buffer. */
function mux(args: string[], input: Buffer | string = '', cwd = project.directory) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...args], {
    cwd,
    input,
    env: { ...process.env, NO_COLOR: '1' },
    maxBuffer: 64 * 1024 * 1024,
  })
  return { code: status, stdout, stderr: stderr.toString() }
}
const exporting = (name: string, ...more: string[]) => mux(['instance', 'export', name, ...more])
const importing = (name: string, input: Buffer | string, ...more: string[]) =>
  mux(['instance', 'import', name, ...more], input)

it('the data of a stopped instance leave as a tar, and are those of another one afterwards', async () => {
  const { url } = await project.up()
  const graham = await addUser(project, 'graham', 'a')
  expect((await fetch(url, { headers: graham })).status).toBe(200)
  await project.write('.mux/data/a/notes.txt', 'of a')
  // It has not run yet, and has nothing.
  expect(exporting('b')).toMatchObject({ code: 0, stderr: '' })
  await mkdir(join(project.directory, '.mux/data/b'), { recursive: true })
  await project.write('.mux/data/b/old.txt', 'of b')
  expect(exporting('a')).toMatchObject({ code: 4, stderr: expect.stringContaining('[instance_running]') })
  expect(importing('a', '')).toMatchObject({ code: 4, stderr: expect.stringContaining('[instance_running]') })

  await project.mux('instance', 'stop', 'a')
  const exported = exporting('a')
  expect(exported).toMatchObject({ code: 0, stderr: '' })
  expect(importing('b', exported.stdout)).toMatchObject({
    code: 4,
    stderr: expect.stringContaining('mux instance stop b'),
  })
  await project.mux('instance', 'stop', 'b')
  expect(importing('b', exported.stdout.subarray(0, 600))).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('[data_unusable]'),
  })
  expect(await readdir(join(project.directory, '.mux/data/b'))).toEqual(['old.txt'])
  expect(importing('b', exported.stdout, '--json')).toMatchObject({ code: 0 })
  expect(await readdir(join(project.directory, '.mux/data/b'))).toEqual(['notes.txt'])
  expect(await readdir(join(project.directory, '.mux/data'))).toEqual(['a', 'b'])
})

it('with hooks the operator says how data leave and enter, beside an instance that runs', async () => {
  const script = (text: string) => JSON.stringify(['sh', '-c', text])
  await project.write(
    'mux.yaml',
    TWO_INSTANCES.replace(
      'app:',
      `app:\n  hooks: { export: ${script('echo "$MUX_INSTANCE $COLOR {data}"; pwd >&2')}, import: ${script('cat > "$MUX_DATA/in"; echo taken; test "$COLOR" = red')} }`,
    ).replace('a: {}', 'a: { settings: { COLOR: red } }'),
  )
  const { directory } = project
  const exported = exporting('a')
  expect(exported).toMatchObject({ code: 0, stderr: `${directory}\n` })
  expect(exported.stdout.toString()).toBe(`a red ${directory}/.mux/data/a\n`)
  const imported = importing('a', 'anything', '--json')
  expect(imported).toMatchObject({ code: 0, stderr: 'taken\n' })
  expect(JSON.parse(imported.stdout.toString())).toEqual({ instance: 'a', by: 'hook' })
  expect(await project.read('.mux/data/a/in')).toBe('anything')
  expect(importing('b', 'anything')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('The command of hooks.import ended with 1.'),
  })
})

it('an instance is defined elsewhere with its own settings and secrets, and stays stopped there', async () => {
  const added = mux(['instance', 'add', 'c', '--set', 'COLOR=red', '--secret', 'SECRET'], 's3cr3t-value\n')
  expect(added.code).toBe(0)
  const { code, stdout } = exporting('c', '--definition')
  expect(code).toBe(0)
  const other = await createProject()
  try {
    const define = (name: string) =>
      mux(['instance', 'import', name, '--definition'], stdout, other.directory)
    const defined = define('c')
    expect(defined).toMatchObject({ code: 0, stderr: '' })
    expect(defined.stdout.toString()).not.toContain('s3cr3t')
    expect(await other.read('mux.yaml')).toContain(
      '  c:\n    settings:\n      COLOR: red\n      SECRET: { secret: c.SECRET }\n',
    )
    expect(await other.read('.mux/secrets/c.SECRET')).toBe('s3cr3t-value\n')
    expect((await stat(join(other.directory, '.mux/secrets/c.SECRET'))).mode & 0o777).toBe(0o600)
    expect(define('c')).toMatchObject({ code: 4, stderr: expect.stringContaining('[instance_exists]') })
    const { url } = await other.up()
    const carol = await addUser(other, 'carol', 'c')
    expect((await fetch(url, { headers: carol })).status).toBe(503)
    expect((await other.mux('instance', 'start', 'c')).code).toBe(0)
    expect(await (await fetch(url, { headers: carol })).json()).toMatchObject({ instance: 'c', color: 'red' })
    expect(mux(['instance', 'import', 'd', '--definition'], '{}', other.directory).code).toBe(2)
  } finally {
    await other.remove()
  }
})
