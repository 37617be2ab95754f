import { Problem } from '@mux/contract'

/** Seconds after which a record that was behind may have arrived: a part of the time that KV takes. */
const RETRY = 5

export interface OutdatedFacts {
  /** Whether the host has said which version of the user's record it wants: it knows of a change to this very user. */
  named: boolean
  /** Whether the request can be sent again as it came. */
  repeatable: boolean
}

/**
 * What {@link Exchange.forward} throws when a host refuses the decision because it knows better. Whoever throws it has seen
 * to it that the registry reads anew what the decision rested on, so that deciding again may come to another end.
 */
export class Outdated extends Problem {
  readonly facts: OutdatedFacts

  constructor(facts: OutdatedFacts) {
    super('misdirected')
    this.facts = facts
  }
}

/**
 * The records at hand are older than what a host knows, and nothing can be decided by them.
 * @param retryAfter in seconds
 */
export function stale(retryAfter: number = RETRY): Problem {
  return new Problem('registry_stale', { retryAfter })
}
