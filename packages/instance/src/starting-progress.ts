/** How far an instance has come that does not serve yet; times in milliseconds. */
export interface StartingProgress {
  /** Its boot waits until others are done. */
  awaitsTurn: boolean
  /** For how long it has been booting; null while nothing of it does. */
  bootingFor: number | null
  /** See `limits.start`. */
  limit: number
  /** Until it is booted again after a failure; null when none is planned. */
  nextTryIn: number | null
}

/** What a person is told who waits for it in a browser: public, so nothing of why. */
export function progressText({ awaitsTurn, bootingFor, limit, nextTryIn }: StartingProgress): string {
  if (awaitsTurn) return 'Others are starting before it.'
  if (bootingFor !== null)
    return `It has been starting for ${seconds(bootingFor)}, and has ${seconds(limit)} at most.`
  if (nextTryIn !== null) return `It had to stop, and is started again in ${seconds(nextTryIn)}.`
  return 'It finishes what it was doing before it starts again.'
}

function seconds(milliseconds: number): string {
  return `${Math.max(1, Math.round(milliseconds / 1000))} s`
}
