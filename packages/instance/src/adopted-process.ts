import { ranOutOfMemory } from './cgroup.ts'
import { endTree, type TreeEnd } from './end-tree.ts'
import { isAlive, type ProcessIdentity } from './process-tree.ts'
import type { Exit, RunningProcess, StopOptions } from './running-process.ts'

/** Milliseconds between two looks. */
const LOOK_EVERY = 250

/** A program that a supervisor before this one started. It is nobody's child here, so its end is seen only by looking. */
export class AdoptedProcess implements RunningProcess {
  readonly identity: ProcessIdentity
  readonly exited: Promise<Exit>
  readonly #tell: (exit: Exit) => void
  readonly #looks: NodeJS.Timeout
  #exit: Exit | undefined
  #stopping: Promise<TreeEnd> | undefined

  constructor(identity: ProcessIdentity) {
    const { promise, resolve } = Promise.withResolvers<Exit>()
    this.identity = identity
    this.exited = promise
    this.#tell = resolve
    this.#looks = setInterval(() => this.#look(), LOOK_EVERY)
  }

  get exit(): Exit | undefined {
    return this.#exit
  }

  stop(options: StopOptions): Promise<TreeEnd> {
    this.#stopping ??= endTree(this.identity, {
      ...options,
      isAlive: () => this.#isThere() === true,
    }).finally(() => {
      this.#look()
      clearInterval(this.#looks)
    })
    return this.#stopping
  }

  #look(): void {
    if (this.#exit || this.#isThere() !== false) return
    clearInterval(this.#looks)
    const { cgroup } = this.identity
    this.#exit = {
      code: null,
      signal: null,
      by: this.#stopping ? 'us' : 'crash',
      at: new Date(),
      outOfMemory: cgroup !== undefined && ranOutOfMemory(cgroup),
    }
    this.#tell(this.#exit)
  }

  /** Undefined when it can't be seen at the moment: then it is neither given up nor signalled. */
  #isThere(): boolean | undefined {
    try {
      return isAlive(this.identity)
    } catch {
      return undefined
    }
  }
}
