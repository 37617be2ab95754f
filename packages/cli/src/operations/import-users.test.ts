import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseInstanceName } from '@mux/contract'
import { openSqliteRegistry } from '@mux/edge/registry'
import { expect, it, onTestFinished } from 'vitest'
import { temporaryProject } from '../fixtures/run-mux.ts'
import { ensureStateDirectory, projectAt } from '../project.ts'
import { importUsers, readPeople } from './import-users.ts'

const HASH = '$2y$05$abcdefghijklmnopqrstuuD3mHdCr44zlIZ.VZCaYRpfQhXMYnEo.'
const django1 = parseInstanceName('django1')!

it('ten thousand people come to one instance by one change, and those who are there already stay as they are', async () => {
  const directory = temporaryProject('app: { command: node server.js }\ninstances: { django1: {} }\n')
  const project = projectAt(directory)
  await ensureStateDirectory(project)
  const stored = openSqliteRegistry(project.state.registry)
  onTestFinished(() => stored.close())
  let changes = 0
  const registry: typeof stored = {
    ...stored,
    change: (decide, options) => {
      changes += 1
      return stored.change(decide, options)
    },
  }
  const file = join(directory, 'htpasswd')
  const importNow = async () =>
    importUsers(project, registry, { people: await readPeople(file), instance: django1 })

  writeFileSync(file, `person5:${HASH}\n`)
  expect(await importNow()).toMatchObject({ added: [{ user: 'person5', instance: 'django1' }], present: [] })
  const before = await stored.read('user', 'person5')
  writeFileSync(file, Array.from({ length: 10_000 }, (_, n) => `person${n}:${HASH}\n`).join(''))
  const { added, present } = await importNow()
  expect([added.length, present]).toEqual([9_999, ['person5']])
  expect((await importNow()).present).toHaveLength(10_000)
  expect(changes).toBe(2)
  expect(await stored.list('user')).toHaveLength(10_000)
  expect(await stored.read('user', 'person5')).toEqual(before)
})
