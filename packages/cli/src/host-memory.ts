import type { KnownUser, UserName } from '@mux/contract'
import type { NonceKeeper } from '@mux/instance'
import { openStateDatabase, type StateDatabase } from '@mux/edge/registry'

/** What the gateway of a host has to know beyond its own end. */
export interface HostMemory {
  /** The least version of a user's record that is good here; undefined: any. */
  floorOf(user: UserName): number | undefined
  /**
   * On the disk when it returns. @returns those of which a lower version, or none, was known
   * @throws {RegistryError} `registry_unavailable`
   */
  raise(users: readonly KnownUser[]): KnownUser[]
  /**
   * Notes that a nonce was used. @param until when it may be forgotten, in seconds since the epoch, as `now`
   * @returns false when it had been used before
   * @throws {RegistryError} `registry_unavailable`
   */
  takeNonce(nonce: string, until: number, now: number): boolean
  /** Those of what an edge has signed, which are many. @throws {RegistryError} `registry_unavailable` from both methods */
  nonces: NonceKeeper
  close(): void
}

/**
 * Opens the memory of a host, and creates its file (mode 0600) when there is none. Not the registry: what stands there is
 * the operator's, and this is true also for users of whom the host has no record.
 * @throws {RegistryError} `registry_unavailable`; `registry_newer` when a later mux wrote it
 */
export function openHostMemory(file: string): HostMemory {
  const state = openStateDatabase(file, {
    name: 'memory of the host',
    schema: 1,
    tables: `
      CREATE TABLE IF NOT EXISTS floors (user TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS nonces (nonce TEXT PRIMARY KEY, until INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
    remedy: 'have the operator tell this host anew who is shut out',
  })
  try {
    return state.translated(() => memoryIn(state))
  } catch (error) {
    state.close()
    throw error
  }
}

function memoryIn({ database, translated, durably, close }: StateDatabase): HostMemory {
  const rows = database.prepare('SELECT user, version FROM floors').all()
  const floors = new Map(rows.map((row) => [row['user'] as UserName, Number(row['version'])]))
  const raise = database.prepare(
    'INSERT INTO floors VALUES (?, ?) ON CONFLICT DO UPDATE SET version = max(version, excluded.version)',
  )
  const insert = database.prepare('INSERT OR IGNORE INTO nonces VALUES (?, ?)')
  const forget = database.prepare('DELETE FROM nonces WHERE until < ?')
  const spent = database.prepare('SELECT nonce, until FROM nonces ORDER BY until')
  const transaction = (work: () => void) => {
    database.exec('BEGIN IMMEDIATE')
    try {
      work()
      database.exec('COMMIT')
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK')
      throw error
    }
  }
  return {
    floorOf: (user) => floors.get(user),
    raise: (users) => {
      const higher = users.filter(({ name, version }) => version > (floors.get(name) ?? 0))
      // Who was shut out must be so after a loss of power, too; an order is too old by then to be given again.
      durably(() =>
        transaction(() => {
          for (const { name, version } of higher) raise.run(name, version)
        }),
      )
      for (const { name, version } of higher) floors.set(name, Math.max(version, floors.get(name) ?? 0))
      return higher
    },
    takeNonce: (nonce, until, now) =>
      translated(() => {
        forget.run(now)
        return insert.run(nonce, until).changes === 1
      }),
    nonces: {
      spent: () =>
        translated(() =>
          spent.all().map((row) => ({ nonce: String(row['nonce']), until: Number(row['until']) })),
        ),
      note: (nonces, now) =>
        translated(() =>
          transaction(() => {
            forget.run(now)
            for (const { nonce, until } of nonces) insert.run(nonce, until)
          }),
        ),
    },
    close,
  }
}
