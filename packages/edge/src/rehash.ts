import type { UserName, UserRecord } from '@mux/contract'
import type { Log } from './log-event.ts'
import { hashPassword, isOutdated } from './passwords.ts'
import type { RegistryStore } from './registry/registry.ts'

/** Replaces a hash that is weaker than one of today, at the one moment when the password is there: a sign-in. */
export interface Rehash {
  /** Told of each password that was right. */
  note(user: UserName, password: string, record: UserRecord): void
  /** Leaves undone what has not begun. */
  stop(): void
}

export interface RehashOptions {
  store: Pick<RegistryStore, 'change'>
  log: Log
}

/** How long after the sign-in it begins, in milliseconds: those who wait to be signed in go first. */
const DELAY = 2_000
/** How long the new hash may hold up this process, in milliseconds, while another one writes. */
const PATIENCE = 100

/** For an edge that may not write: a Worker would lose what somebody else changes in the record meanwhile. */
export const NO_REHASH: Rehash = { note: () => {}, stop: () => {} }

export function createRehash({ store, log }: RehashOptions): Rehash {
  const planned = new Map<UserName, ReturnType<typeof setTimeout>>()

  async function replace(user: UserName, password: string, old: string): Promise<void> {
    const hash = await hashPassword(password)
    const replaced = await store.change(
      (read) => {
        const record = read('user', user)
        // Somebody has given them another password meanwhile.
        if (record?.password !== old) return { changes: [], result: false }
        // Of the same version: it is the same password, and nobody is to be signed out.
        return {
          changes: [{ kind: 'user', name: user, record: { ...record, password: hash } }],
          result: true,
        }
      },
      { patience: PATIENCE },
    )
    if (replaced) log({ event: 'password_rehashed', user })
  }

  return {
    note(user, password, { password: old }) {
      if (old === null || planned.has(user) || !isOutdated(old)) return
      const begin = () => {
        planned.delete(user)
        replace(user, password, old).catch((error: unknown) =>
          log({ event: 'password_not_rehashed', user, error }),
        )
      }
      planned.set(user, setTimeout(begin, DELAY))
    },
    stop() {
      for (const timer of planned.values()) clearTimeout(timer)
      planned.clear()
    },
  }
}
