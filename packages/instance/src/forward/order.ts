import type { Decision } from '@mux/contract'

/** One decided request, and what is to be made of it. */
export interface ForwardOrder {
  decision: Decision
  /** The request target, byte for byte as the client sent it. */
  target: string
  /** What the instance receives: names and values in turn, complete but for `Connection` and the framing of the body. */
  headers: string[]
  /** True when the client is a person's browser opening a page, which need not be held as long as an API client. */
  navigation: boolean
  /** Filters the header list of the instance's answer, names and values in turn, before it goes to the client. */
  answerHeaders: (rawHeaders: readonly string[]) => string[]
  /** Asked after a wait: throws when what was decided is no longer good. */
  recheck?: () => void
  /** Aborted when the user may no longer have the WebSocket: both sides of it are closed. */
  revoked?: AbortSignal
}
