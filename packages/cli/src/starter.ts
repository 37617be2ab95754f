import type { CliErrorCode } from './errors.ts'

/** What a background process tells the one that started it, once: where it serves, or why it does not. */
export type StartReport =
  | { event: 'mux-up'; pid: number; url: string }
  | {
      event: 'mux-failed'
      code: CliErrorCode
      message: string
      hint: string | null
      details: readonly string[]
    }

/** The process that started this one in the background and waits for word of it. */
export interface Starter {
  /** Aborted when it is gone before it had word: then nobody knows of this process. */
  gone: AbortSignal
  /** Gives it word, and lets it go. */
  tell(report: StartReport): Promise<void>
}

/** Undefined in the foreground. */
export function findStarter(): Starter | undefined {
  // There is such a function exactly when this process was started with a channel, whatever became of that.
  if (process.send === undefined) return undefined
  const gone = new AbortController()
  const onGone = () => gone.abort()
  if (process.connected) process.once('disconnect', onGone)
  else onGone()
  return {
    gone: gone.signal,
    async tell(report) {
      process.off('disconnect', onGone)
      if (!process.connected) return
      // It may go at any moment, and then there is nobody to tell.
      await new Promise<void>((resolve) => process.send!(report, () => resolve()))
      if (process.connected) process.disconnect()
    },
  }
}
