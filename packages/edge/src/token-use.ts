import type { TokenRecord } from '@mux/contract'
import { BoundedMap } from './bounded-map.ts'
import type { Log } from './log-event.ts'
import type { RegistryStore } from './registry/registry.ts'

/** Keeps note of the day on which a token was last used. */
export interface TokenUse {
  /** Costs nothing but once a day. A note that cannot be written is left out, and told to the log. */
  note(id: string, token: TokenRecord): void
}

export interface TokenUseOptions {
  store: Pick<RegistryStore, 'change'>
  log: Log
  /** Milliseconds since the epoch. */
  now: () => number
}

const DAY = 86_400_000
/** Tokens whose day is known to be written, or to have been tried. */
const CAPACITY = 10_000
/** How long a note may hold up this process, in milliseconds, while another one writes. */
const PATIENCE = 100

/** For an edge that may not write: a Worker would lose what somebody else changes in the record meanwhile. */
export const NO_TOKEN_USE: TokenUse = { note: () => {} }

export function createTokenUse({ store, log, now }: TokenUseOptions): TokenUse {
  const noted = new BoundedMap<string, number>(CAPACITY)

  async function write(id: string, used: string): Promise<void> {
    await store.change(
      (read) => {
        const record = read('token', id)
        if (record === undefined || record.used === used) return { changes: [], result: null }
        return { changes: [{ kind: 'token', name: id, record: { ...record, used } }], result: null }
      },
      { patience: PATIENCE },
    )
  }

  return {
    note(id, token) {
      const day = Math.floor(now() / DAY)
      if (noted.get(id) === day) return
      // Before it is tried: a store that takes no writes is not to be asked again with every request.
      noted.set(id, day)
      const used = new Date(day * DAY).toISOString().slice(0, 10)
      if (token.used === used) return
      write(id, used).catch((error: unknown) => log({ event: 'token_use_not_noted', token: id, error }))
    },
  }
}
