import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { DatabaseSync } from 'node:sqlite'
import type { UserRecord } from '@mux/contract'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { describeRegistry, USER } from './fixtures/registry-suite.ts'
import { describeStore } from './fixtures/store-suite.ts'
import { RegistryError, type RegistryStore } from './registry.ts'
import { openSqliteRegistry } from './sqlite.ts'

let directory: string
let file: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'mux-registry-'))
  file = join(directory, 'registry.sqlite')
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

/** Another connection, as another program would have it. */
function meddle<Result>(work: (database: DatabaseSync) => Result): Result {
  const database = new DatabaseSync(file)
  try {
    return work(database)
  } finally {
    database.close()
  }
}

function putText(kind: string, name: string, text: string | null): void {
  meddle((database) => {
    if (text === null) database.prepare('DELETE FROM records WHERE kind = ? AND name = ?').run(kind, name)
    else database.prepare('INSERT OR REPLACE INTO records VALUES (?, ?, ?)').run(kind, name, text)
  })
}

const open = async () => {
  const registry = openSqliteRegistry(file)
  return {
    registry,
    put: async (kind: string, name: string, text: string | null) => {
      putText(kind, name, text)
      // No other program writes within a turn of our event loop.
      await nextTurn()
    },
    close: async () => registry.close(),
  }
}

describeRegistry('SQLite', open)
describeStore('SQLite', open)

describe('the registry in SQLite', () => {
  let registry: RegistryStore
  beforeEach(() => {
    registry = openSqliteRegistry(file)
  })
  afterEach(() => registry.close())

  const put = (name: string, record: UserRecord) =>
    registry.change(() => ({ changes: [{ kind: 'user', name, record }], result: undefined }))

  it('is still there when the registry is opened again', async () => {
    await put('brian', USER)
    registry.close()
    registry = openSqliteRegistry(file)
    expect(await registry.read('user', 'brian')).toEqual(USER)
  })

  it('is refused once the registry is closed', async () => {
    registry.close()
    registry.close()
    const reading = registry.read('user', 'brian')
    await expect(reading).rejects.toBeInstanceOf(RegistryError)
    await expect(reading).rejects.toThrow(/is closed/)
    await expect(put('brian', USER)).rejects.toThrow(RegistryError)
    await expect(registry.list('user')).rejects.toThrow(RegistryError)
  })
})
