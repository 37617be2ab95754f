import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { DatabaseSync } from 'node:sqlite'
import { RecordError, type UserRecord } from '@mux/contract'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { describeRegistry, USER } from './fixtures/registry-suite.ts'
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

describeRegistry('SQLite', async () => {
  const registry = openSqliteRegistry(file)
  return {
    registry,
    put: async (kind, name, text) => {
      putText(kind, name, text)
      // No other program writes within a turn of our event loop.
      await nextTurn()
    },
    close: async () => registry.close(),
  }
})

describe('a change of the registry in SQLite', () => {
  let registry: RegistryStore
  beforeEach(() => {
    registry = openSqliteRegistry(file)
  })
  afterEach(() => registry.close())

  const user = (changes: Partial<UserRecord> = {}): UserRecord => ({ ...USER, ...changes })
  const put = (name: string, record: UserRecord | null) =>
    registry.change(() => ({ changes: [{ kind: 'user', name, record }], result: undefined }))

  it('returns what was decided, and is seen by the next read', async () => {
    expect(await registry.read('user', 'brian')).toBeUndefined()
    const result = await registry.change((read) => ({
      changes: [{ kind: 'user', name: 'brian', record: user() }],
      result: read('user', 'brian') === undefined ? 'made' : 'changed',
    }))
    expect(result).toBe('made')
    expect(await registry.read('user', 'brian')).toEqual(user())
    await put('brian', null)
    expect(await registry.read('user', 'brian')).toBeUndefined()
  })

  it('is still there when the registry is opened again', async () => {
    await put('brian', user())
    registry.close()
    registry = openSqliteRegistry(file)
    expect(await registry.read('user', 'brian')).toEqual(user())
  })

  it('decides on what is stored, and not on what was remembered', async () => {
    await put('brian', user({ version: 1 }))
    await registry.read('user', 'brian')
    putText('user', 'brian', JSON.stringify(user({ version: 7 })))
    const seen = await registry.change((read) => ({ changes: [], result: read('user', 'brian')?.version }))
    expect(seen).toBe(7)
  })

  it('leaves everything as it was when the decision is an error', async () => {
    await put('brian', user())
    const conflict = new Error('exists')
    const change = registry.change(() => {
      throw conflict
    })
    await expect(change).rejects.toBe(conflict)
    expect(await registry.read('user', 'brian')).toEqual(user())
    await put('graham', user())
    expect(await registry.read('user', 'graham')).toEqual(user())
  })

  it('writes none of its records when one of them could not be read again', async () => {
    const change = registry.change(() => ({
      changes: [
        { kind: 'user', name: 'brian', record: user() },
        { kind: 'user', name: 'graham', record: user({ version: 0.5 }) },
      ],
      result: undefined,
    }))
    await expect(change).rejects.toBeInstanceOf(RecordError)
    expect(await registry.list('user')).toEqual([])
  })

  it('lists one kind in the order of names, with the unusable ones as the errors they are', async () => {
    await put('graham', user())
    await put('brian', user())
    await registry.change(() => ({
      changes: [{ kind: 'route', name: '*', record: { v: 1, instance: user().instance!, access: 'public' } }],
      result: undefined,
    }))
    putText('user', 'eric', 'garbage')
    const listed = await registry.list('user')
    expect(listed.map(({ name }) => name)).toEqual(['brian', 'eric', 'graham'])
    expect(listed[0]!.record).toEqual(user())
    expect(listed[1]!.record).toBeInstanceOf(RecordError)
  })

  it('can remove a record that cannot be read', async () => {
    putText('user', 'eric', 'garbage')
    await put('eric', null)
    expect(await registry.read('user', 'eric')).toBeUndefined()
  })

  it('is refused once the registry is closed', async () => {
    registry.close()
    registry.close()
    const reading = registry.read('user', 'brian')
    await expect(reading).rejects.toBeInstanceOf(RegistryError)
    await expect(reading).rejects.toThrow(/is closed/)
    await expect(put('brian', user())).rejects.toThrow(RegistryError)
    await expect(registry.list('user')).rejects.toThrow(RegistryError)
  })
})
