import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { openEdgeState } from './edge-state.ts'

function temporaryFile(): string {
  const directory = mkdtempSync(join(tmpdir(), 'mux-edge-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  return join(directory, 'edge.sqlite')
}

test('a damaged file is refused, by its name and with what to do, and not replaced', () => {
  const file = temporaryFile()
  writeFileSync(file, 'nothing that SQLite has written'.repeat(100), { mode: 0o600 })
  for (let i = 0; i < 2; i += 1)
    expect(() => openEdgeState(file, () => {})).toThrow(
      expect.objectContaining({
        code: 'registry_unavailable',
        message: expect.stringMatching(/edge\.sqlite cannot be used.*mux key rotate/),
      }),
    )
})

test('a file of a later mux is refused', () => {
  const file = temporaryFile()
  const database = new DatabaseSync(file)
  database.exec('PRAGMA user_version = 2')
  database.close()
  expect(() => openEdgeState(file, () => {})).toThrow(expect.objectContaining({ code: 'registry_newer' }))
})

test('a disk that takes no write is told to whoever signs out', () => {
  const state = openEdgeState(':memory:', () => {})
  state.close()
  expect(() => state.endedSessions.add({ user: 'brian' as never, id: 'x', until: 1 })).toThrow(
    expect.objectContaining({ code: 'registry_unavailable' }),
  )
})
