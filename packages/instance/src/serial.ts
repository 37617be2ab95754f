/** Runs tasks one after the other, in the order in which they were given. */
export class Serial {
  #last: Promise<unknown> = Promise.resolve()
  #pending = 0

  /** True while a task runs or waits. */
  get busy(): boolean {
    return this.#pending > 0
  }

  run<Result>(task: () => Promise<Result>): Promise<Result> {
    this.#pending++
    const result = this.#last.then(task).finally(() => {
      this.#pending--
    })
    this.#last = result.catch(() => {})
    return result
  }
}
