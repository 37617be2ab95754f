/** Carries tasks out one after the other, in the order in which they were given. */
export class Serial {
  #last: Promise<unknown> = Promise.resolve()
  #pending = 0

  /** True while a task runs or waits. */
  get busy(): boolean {
    return this.#pending > 0
  }

  /** True while a task waits for another. */
  get hasWaiting(): boolean {
    return this.#pending > 1
  }

  /** With nothing else to do, the task begins before this returns. */
  run<Result>(task: () => Promise<Result>): Promise<Result> {
    const result = this.busy ? this.#last.then(task) : task()
    this.#pending++
    this.#last = result
      .catch(() => {})
      .then(() => {
        this.#pending--
      })
    return result
  }
}
