import type { UserName } from '@mux/contract'
import type { Session } from './session.ts'

/**
 * The sessions that were signed out before their time. A cookie is good by itself, so without this one that was copied
 * would go on working after its owner has signed out.
 */
export interface EndedSessions {
  has(session: Session): boolean | Promise<boolean>
  /** Returns when it is durable. @throws {RegistryError} when it cannot be */
  end(session: Session): Promise<void>
}

/** One that was ended, and when it would have been over anyway, in seconds since the epoch. */
export interface EndedSession {
  user: UserName
  id: string
  until: number
}

/** Where they are kept beyond the end of the process. */
export interface EndedSessionsStore {
  /** Those that are not over at `now`, in seconds since the epoch; the others are forgotten. */
  load(now: number): EndedSession[]
  add(ended: EndedSession): void
  forget(user: UserName): void
}

export interface EndedSessionsOptions {
  store: EndedSessionsStore
  endOf: (session: Session) => number
  /** Ends all sessions of a user at once. */
  endAll: (user: UserName) => Promise<unknown>
  /** Milliseconds since the epoch. */
  now: () => number
}

/** Remembered of one user at a time, so that nobody can fill memory and disk by signing in and out. */
const MOST = 1_000

/** For one process, which alone writes to the store. */
export function createEndedSessions({ store, endOf, endAll, now }: EndedSessionsOptions): EndedSessions {
  const byUser = new Map<UserName, Map<string, number>>()
  const seconds = () => Math.floor(now() / 1000)
  for (const { user, id, until } of store.load(seconds())) idsOf(user).set(id, until)

  function idsOf(user: UserName): Map<string, number> {
    const known = byUser.get(user)
    if (known !== undefined) return known
    const ids = new Map<string, number>()
    byUser.set(user, ids)
    return ids
  }

  function dropOver(ids: Map<string, number>): void {
    const limit = seconds()
    for (const [id, until] of ids) if (until < limit) ids.delete(id)
  }

  return {
    has: ({ user, id }) => byUser.get(user)?.has(id) ?? false,

    async end(session) {
      const { user, id } = session
      const ids = idsOf(user)
      if (ids.size >= MOST) dropOver(ids)
      if (ids.size >= MOST) {
        await endAll(user)
        store.forget(user)
        ids.clear()
      }
      const until = endOf(session)
      store.add({ user, id, until })
      ids.set(id, until)
    },
  }
}
