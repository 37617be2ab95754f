import type { TreeEnd, TreeEndOptions } from './end-tree.ts'
import type { ProcessIdentity } from './process-tree.ts'

export interface Exit {
  /** Null when a signal ended it, or when nobody knows how it ended, because a supervisor before this one started it. */
  code: number | null
  signal: NodeJS.Signals | null
  by: 'us' | 'crash'
  at: Date
  /** Whether the kernel ended it, or another of its control group, for want of memory; false where that can't be told. */
  outOfMemory: boolean
}

/** What it did, as the part of a sentence that follows "It". */
export function exitText({ code, signal, outOfMemory }: Exit): string {
  if (outOfMemory)
    return `ran out of memory (limits.memory), so that the system ended it${signal ? ` by ${signal}` : ''}`
  return signal ? `was ended by ${signal}` : code === null ? 'ended' : `exited with code ${code}`
}

export type StopOptions = Pick<TreeEndOptions, 'signal' | 'limit' | 'hurry'>

/** The program of a generation, with all that it starts in turn; started by this process or by one before it. */
export interface RunningProcess {
  readonly identity: ProcessIdentity
  /** The end of the program itself; others of its tree may live on until {@link stop}. */
  readonly exited: Promise<Exit>
  /** How it ended, once it has. */
  readonly exit: Exit | undefined
  /** Ends it and everything that it started; again, it is the same end. */
  stop(options: StopOptions): Promise<TreeEnd>
}
