/** The ways in which a long-running command is told to end. */
export interface EndSignals {
  /** Resolves at the first one. */
  first: Promise<void>
  /** Aborted at the second: whoever asks twice does not want to wait. */
  hurry: AbortSignal
  /** Listens no more; from then on a signal ends the process as it ends any other. */
  dispose(): void
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** @param also another way to be told, the first time */
export function listenForEnd(also?: AbortSignal): EndSignals {
  const first = Promise.withResolvers<void>()
  const hurry = new AbortController()
  let asked = false
  const ask = () => {
    if (asked) hurry.abort()
    asked = true
    first.resolve()
  }
  const once = () => first.resolve()
  for (const signal of SIGNALS) process.on(signal, ask)
  if (also?.aborted) once()
  also?.addEventListener('abort', once, { once: true })
  return {
    first: first.promise,
    hurry: hurry.signal,
    dispose() {
      for (const signal of SIGNALS) process.off(signal, ask)
      also?.removeEventListener('abort', once)
    },
  }
}
