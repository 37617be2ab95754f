import { CliError } from './errors.ts'

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
/**
 * Upon which Node, unless somebody listens for it, opens its debugger to every account of the machine; many programs
 * reopen their logs upon it.
 */
const DEBUGGER = 'SIGUSR1'
const ignore = () => {}

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
  process.on(DEBUGGER, ignore)
  if (also?.aborted) once()
  also?.addEventListener('abort', once, { once: true })
  return {
    first: first.promise,
    hurry: hurry.signal,
    dispose() {
      for (const signal of SIGNALS) process.off(signal, ask)
      process.off(DEBUGGER, ignore)
      also?.removeEventListener('abort', once)
    },
  }
}

/**
 * Waits for what mux was ordered to do, until Ctrl-C; the order itself is not taken back by that.
 * @param wait ends when its signal aborts, with the reason of it
 * @throws {CliError} `interrupted`
 */
export async function unlessInterrupted<Result>(
  wait: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const interruption = new AbortController()
  const interrupt = () => {
    const hint = 'See how it comes out: mux status'
    interruption.abort(new CliError('interrupted', 'Interrupted: mux goes on with what it was told.', hint))
  }
  process.once('SIGINT', interrupt)
  try {
    return await wait(interruption.signal)
  } finally {
    process.off('SIGINT', interrupt)
  }
}

/**
 * Does what ends at the first signal that tells the process to.
 * @throws {CliError} `interrupted`
 */
export async function untilSignal<Result>(task: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
  const stop = new AbortController()
  const signals = listenForEnd()
  void signals.first.then(() => stop.abort(new CliError('interrupted', 'Interrupted.')))
  try {
    return await task(stop.signal)
  } catch (error) {
    // It may say of its interruption what has become of it.
    if (!(error instanceof CliError && error.code === 'interrupted')) stop.signal.throwIfAborted()
    throw error
  } finally {
    signals.dispose()
  }
}
