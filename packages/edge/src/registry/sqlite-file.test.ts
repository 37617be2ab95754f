import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { USER } from './fixtures/registry-suite.ts'
import { RegistryError } from './registry.ts'
import { translateSqlite } from './sqlite-errors.ts'
import { openSqliteRegistry } from './sqlite.ts'

let directory: string
let file: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'mux-registry-'))
  file = join(directory, 'registry.sqlite')
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const mode = (path: string) => (statSync(path).mode & 0o777).toString(8)
const writeUser = (registry: ReturnType<typeof openSqliteRegistry>) =>
  registry.change(() => ({ changes: [{ kind: 'user', name: 'brian', record: USER }], result: undefined }))

async function refusalOf(open: () => unknown): Promise<RegistryError> {
  const error: unknown = await Promise.resolve()
    .then(open)
    .then(
      () => 'no error',
      (caught: unknown) => caught,
    )
  expect(error).toBeInstanceOf(RegistryError)
  const { message } = error as RegistryError
  expect(message).toContain(directory)
  expect(message).not.toMatch(/undefined|\n|SQLITE|ERR_/)
  return error as RegistryError
}

describe('the file of the registry', () => {
  it.each([0o000, 0o022, 0o077])(
    'is readable by its owner alone with umask %o, and so are its neighbours',
    async (umask) => {
      const before = process.umask(umask)
      try {
        const registry = openSqliteRegistry(file)
        await writeUser(registry)
        expect(readdirSync(directory).sort()).toEqual([
          'registry.sqlite',
          'registry.sqlite-shm',
          'registry.sqlite-wal',
        ])
        for (const name of readdirSync(directory)) expect(mode(join(directory, name))).toBe('600')
        registry.close()
      } finally {
        process.umask(before)
      }
    },
  )

  it.each(['600', '640', '644'])('keeps the mode %s that the operator gave it', async (given) => {
    openSqliteRegistry(file).close()
    chmodSync(file, Number.parseInt(given, 8))
    const registry = openSqliteRegistry(file)
    await writeUser(registry)
    expect(mode(file)).toBe(given)
    registry.close()
  })

  it('stays behind the link that the operator put there', async () => {
    const real = join(directory, 'elsewhere')
    mkdirSync(real)
    openSqliteRegistry(join(real, 'real.sqlite')).close()
    symlinkSync(join(real, 'real.sqlite'), file)
    const registry = openSqliteRegistry(file)
    await writeUser(registry)
    registry.close()
    expect(lstatSync(file).isSymbolicLink()).toBe(true)
    const again = openSqliteRegistry(join(real, 'real.sqlite'))
    expect(await again.read('user', 'brian')).toEqual(USER)
    again.close()
  })

  it('is not made through a link to nothing, where others could read it', async () => {
    symlinkSync(join(directory, 'nothing'), file)
    expect((await refusalOf(() => openSqliteRegistry(file))).message).toMatch(/link/)
    expect(readdirSync(directory)).toEqual(['registry.sqlite'])
  })

  it.each([
    ['before anything was written into it', () => writeFileSync(file, '')],
    [
      'before it had its tables',
      () => {
        const database = new DatabaseSync(file)
        database.exec('PRAGMA journal_mode = WAL')
        database.close()
      },
    ],
  ])('is completed when the one who made it died %s', async (_when, die) => {
    die()
    const registry = openSqliteRegistry(file)
    await writeUser(registry)
    expect(await registry.read('user', 'brian')).toEqual(USER)
    registry.close()
  })
})

describe('a registry that cannot be opened', () => {
  it('is one of a later mux, which is left as it is', async () => {
    openSqliteRegistry(file).close()
    const database = new DatabaseSync(file)
    database.exec('UPDATE schema SET version = 2')
    const error = await refusalOf(() => openSqliteRegistry(file))
    expect(error.code).toBe('registry_newer')
    expect(error.message).toMatch(/version 2, and this mux knows 1/)
    expect(database.prepare('SELECT version FROM schema').get()!['version']).toBe(2)
    database.close()
  })

  it('is a database of something else, which is left as it is', async () => {
    const database = new DatabaseSync(file)
    database.exec('CREATE TABLE django_migrations (id INTEGER)')
    const error = await refusalOf(() => openSqliteRegistry(file))
    expect(error.message).toMatch(/no registry of mux/)
    const tables = database.prepare('SELECT name FROM sqlite_schema').all()
    expect(tables.map(({ name }) => name)).toEqual(['django_migrations'])
    database.close()
  })

  it.each([
    [
      'no database at all',
      () => writeFileSync(file, 'users:\n  brian: django2\n'.repeat(100)),
      /no SQLite database/,
    ],
    ['a directory', () => mkdirSync(file), /cannot be opened/],
    [
      'in a directory that does not exist',
      () => rmSync(directory, { recursive: true }),
      /directory does not exist/,
    ],
    [
      'in a file that is no directory',
      () => {
        rmSync(directory, { recursive: true })
        writeFileSync(directory, '')
      },
      /no directory/,
    ],
  ])('is %s, and the message says so', async (_what, make, message) => {
    make()
    const error = await refusalOf(() => openSqliteRegistry(file))
    expect(error.code).toBe('registry_unavailable')
    expect(error.message).toMatch(message)
  })
})

describe('a registry that fails later', () => {
  it('says that another process keeps it locked, after fifteen seconds', async () => {
    const registry = openSqliteRegistry(file)
    const holder = new DatabaseSync(file)
    holder.exec('BEGIN IMMEDIATE')
    const began = performance.now()
    const error = await refusalOf(() => writeUser(registry))
    expect(error.message).toMatch(/locked by another process/)
    expect(performance.now() - began).toBeGreaterThan(14_500)
    // Reading goes on meanwhile, and writing as soon as the lock is gone.
    expect(await registry.read('user', 'brian')).toBeUndefined()
    holder.exec('ROLLBACK')
    await writeUser(registry)
    expect(await registry.read('user', 'brian')).toEqual(USER)
    holder.close()
    registry.close()
  })

  it('says that the disk is full', async () => {
    const database = new DatabaseSync(file)
    database.exec('CREATE TABLE t (x); PRAGMA max_page_count = 2')
    const error = await refusalOf(() =>
      translateSqlite(file, () => database.prepare('INSERT INTO t VALUES (?)').run('x'.repeat(100_000))),
    )
    expect(error.message).toMatch(/disk is full/)
    database.close()
  })

  it('says that it is damaged', async () => {
    const registry = openSqliteRegistry(file)
    const many = Array.from({ length: 200 }, (_, index) => ({
      kind: 'user' as const,
      name: `user${index}`,
      record: USER,
    }))
    await registry.change(() => ({ changes: many, result: undefined }))
    registry.close()
    const bytes = readFileSync(file)
    writeFileSync(file, bytes.fill(0xa5, 4096))
    const error = await refusalOf(async () => {
      const damaged = openSqliteRegistry(file)
      try {
        await damaged.list('user')
      } finally {
        damaged.close()
      }
    })
    expect(error.message).toMatch(/damaged/)
  })
})
