import { chmodSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { temporaryDirectory } from './fixtures/run-mux.ts'
import { ensureStateDirectory, projectAt } from './project.ts'

it('the state directory is closed to others, but for the way to data that are theirs', async () => {
  const project = projectAt(temporaryDirectory())
  const parts = ['.', 'data', 'keys', 'secrets', 'run', 'logs'].map((part) =>
    join(project.state.directory, part),
  )
  const modes = () => parts.map((part) => (statSync(part).mode & 0o777).toString(8))
  await ensureStateDirectory(project)
  expect(modes()).toEqual(['700', '700', '700', '700', '700', '700'])
  for (const part of parts) chmodSync(part, 0o711)
  await ensureStateDirectory(project)
  expect(modes()).toEqual(['711', '711', '700', '700', '700', '700'])
  for (const part of parts) chmodSync(part, 0o755)
  await ensureStateDirectory(project)
  expect(modes()).toEqual(['700', '700', '700', '700', '700', '700'])
})
