import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { define, laboratory, nameOf, temporaryDirectory } from './fixtures/laboratory.ts'
import { HistoryError, readHistory, removeHistory, SettingsHistory } from './settings-history.ts'

const A = nameOf('a')

/** An instance whose settings are its own, as mux.yaml would have them. */
function own(settings: Record<string, string>) {
  return define('a', 'serves', { settings, entry: { settings } })
}

async function settingsIn(stateDirectory: string) {
  return (await readHistory(stateDirectory, A)).map(({ entry }) => entry['settings'])
}

it('every settings with which an instance becomes ready are kept once, the latest last; others are not', async () => {
  const { supervisor, stateDirectory, ask } = await laboratory([own({ N: '1' })])
  const kept = () => settingsIn(stateDirectory)
  expect(await kept()).toEqual([])
  await ask('a')
  await expect.poll(kept).toEqual([{ N: '1' }])
  await supervisor.restart(A)
  expect(await kept()).toEqual([{ N: '1' }])

  supervisor.define([{ ...own({ N: '2' }), command: [process.execPath, '--nonsense'] }])
  await expect(supervisor.restart(A)).rejects.toThrow('before it was ready')
  expect(await kept()).toEqual([{ N: '1' }])
  supervisor.define([own({ N: '3' })])
  await supervisor.restart(A)
  supervisor.define([own({ N: '1' })])
  await supervisor.restart(A)
  await expect.poll(kept).toEqual([{ N: '3' }, { N: '1' }])
})

it('the last ten are kept, until they are removed', async () => {
  const stateDirectory = temporaryDirectory()
  const history = new SettingsHistory(stateDirectory, () => {})
  await Promise.all(Array.from({ length: 14 }, (_, n) => history.note(own({ N: `${n}` }), {})))
  // Nobody waits for a slow disk, but all comes onto it.
  await expect
    .poll(() => settingsIn(stateDirectory))
    .toEqual(Array.from({ length: 10 }, (_, n) => ({ N: `${n + 4}` })))
  await removeHistory(stateDirectory, A)
  expect(await readHistory(stateDirectory, A)).toEqual([])
})

it('the secrets that are its own are kept with them, for nobody else to read; one that others share is not', async () => {
  const stateDirectory = temporaryDirectory()
  const secret = (name: string) => ({ secretFile: join(stateDirectory, 'secrets', name) })
  const definition = define('a', 'serves', { settings: { KEY: secret('a.KEY'), SHARED: secret('shared') } })
  const history = new SettingsHistory(stateDirectory, () => {})
  await history.note(definition, { KEY: 'one', SHARED: 'planted' })
  await history.note(definition, { KEY: 'two', SHARED: 'planted' })
  const directory = join(stateDirectory, 'secrets/.history')
  const secretsIn = async () => (await readHistory(stateDirectory, A)).map(({ secrets }) => secrets)
  await expect.poll(secretsIn).toEqual([{ 'a.KEY': 'one' }, { 'a.KEY': 'two' }])
  await expect.poll(() => readdirSync(directory)).toEqual(['a.json'])
  expect(statSync(directory).mode & 0o777).toBe(0o700)
  expect(statSync(join(directory, 'a.json')).mode & 0o777).toBe(0o600)
  expect(readFileSync(join(directory, 'a.json'), 'utf8')).not.toContain('planted')
})

it('an instance serves although its settings cannot be kept, and the operator is told', async () => {
  const stateDirectory = temporaryDirectory()
  mkdirSync(join(stateDirectory, 'secrets'))
  writeFileSync(join(stateDirectory, 'secrets/.history'), 'in the way')
  const { ask, events } = await laboratory([own({ N: '1' })], { stateDirectory })
  await ask('a')
  await expect
    .poll(() => events)
    .toContainEqual({ event: 'settings_not_kept', instance: 'a', reason: 'ENOTDIR' })
})

it('a history that is damaged is refused, and left for somebody to look at', async () => {
  const stateDirectory = temporaryDirectory()
  const file = join(stateDirectory, 'secrets/.history/a.json')
  mkdirSync(join(stateDirectory, 'secrets/.history'), { recursive: true })
  const told: object[] = []
  const history = new SettingsHistory(stateDirectory, (event) => told.push(event))
  for (const text of ['', '{"v":2}', '{"v":1,"settings":[{"at":1}]}']) {
    writeFileSync(file, text)
    await expect(readHistory(stateDirectory, A)).rejects.toThrow(HistoryError)
    await history.note(own({}), {})
    expect(readFileSync(file, 'utf8')).toBe(text)
  }
  await expect.poll(() => told).toHaveLength(3)
})
