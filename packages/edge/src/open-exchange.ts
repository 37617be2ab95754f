import type { Placed } from '@mux/connections'
import type { UserName } from '@mux/contract'
import type { Standing } from './authenticate.ts'

/** An exchange with an instance, from the decision on. */
export interface OpenExchange extends Placed {
  readonly user: UserName | undefined
  /** How it stands with whoever it is in the name of; absent when it is in nobody's. */
  readonly standing: (() => Promise<Standing>) | undefined
  /** A WebSocket or a stream of events, which stay open for as long as both sides like. */
  readonly endless: boolean
  /** Ends it in the middle; harmless when it is over. */
  breakOff(): void
}
