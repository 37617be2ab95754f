import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { type BuiltWorker, watchWorker } from './watch-worker.ts'

test('a change of the source is told, a mistake in it too, and what comes to the same is not', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'mux-watch-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  const entry = join(directory, 'worker.ts')
  // Whole in one step: a file that is empty for a moment is another source.
  const write = async (text: string) => {
    await writeFile(`${entry}.new`, text)
    await rename(`${entry}.new`, entry)
  }
  let heard = Promise.withResolvers<BuiltWorker>()
  const next = async () => {
    const built = await heard.promise
    heard = Promise.withResolvers()
    return built
  }

  await write('export const one: number = 1')
  const watch = await watchWorker(async (built) => heard.resolve(built), entry)
  onTestFinished(() => watch.close())
  expect(watch.first).toContain('one = 1')

  await write('export const one = 1 // the same')
  await write('export const = 2')
  const broken = await next()
  expect(broken.source).toBeUndefined()
  expect(broken.problems.join('\n')).toContain('worker.ts:1:13')

  await write('export const two = 2')
  expect(await next()).toMatchObject({ source: expect.stringContaining('two = 2'), problems: [] })
})

test('a source that cannot be built at first says why', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'mux-watch-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  const entry = join(directory, 'worker.ts')
  await writeFile(entry, `import './absent.ts'`)
  await expect(watchWorker(() => Promise.resolve(), entry)).rejects.toThrow('./absent.ts')
})
