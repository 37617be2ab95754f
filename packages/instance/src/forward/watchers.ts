/**
 * Many who wait for one event of one thing, behind a single listener: adding and removing a listener of its own for
 * each request is dear, and grows with the number of listeners that are there.
 */
export class Watchers<Source extends object, Watcher> {
  // Arrays: a Set that is added to and deleted from all the time drags its old tables, and all that was in them, from
  // one collection of young garbage to the next, which cost a tenth of the time of a request.
  readonly #bySource = new WeakMap<Source, Watcher[]>()
  readonly #subscribe: (source: Source, fire: () => void) => void
  readonly #notify: (watcher: Watcher) => void

  constructor(subscribe: (source: Source, fire: () => void) => void, notify: (watcher: Watcher) => void) {
    this.#subscribe = subscribe
    this.#notify = notify
  }

  add(source: Source, watcher: Watcher): void {
    const watchers = this.#bySource.get(source)
    if (watchers) {
      watchers.push(watcher)
      return
    }
    const first = [watcher]
    this.#bySource.set(source, first)
    this.#subscribe(source, () => {
      for (const each of first.slice()) this.#notify(each)
    })
  }

  /** Quick for those that came last, which are those that leave soon. */
  delete(source: Source, watcher: Watcher): void {
    const watchers = this.#bySource.get(source)
    if (!watchers) return
    let at = watchers.length - 1
    while (at >= 0 && watchers[at] !== watcher) at--
    if (at < 0) return
    const last = watchers.pop()!
    if (last !== watcher) watchers[at] = last
  }
}
