/**
 * Many who wait for one event of one thing, behind a single listener: adding and removing a listener of its own for
 * each request is dear, and grows with the number of listeners that are there.
 */
export class Watchers<Source extends object, Watcher> {
  readonly #bySource = new WeakMap<Source, Set<Watcher>>()
  readonly #subscribe: (source: Source, fire: () => void) => void
  readonly #notify: (watcher: Watcher) => void

  constructor(subscribe: (source: Source, fire: () => void) => void, notify: (watcher: Watcher) => void) {
    this.#subscribe = subscribe
    this.#notify = notify
  }

  add(source: Source, watcher: Watcher): void {
    const watchers = this.#bySource.get(source)
    if (watchers) {
      watchers.add(watcher)
      return
    }
    const first = new Set([watcher])
    this.#bySource.set(source, first)
    this.#subscribe(source, () => {
      for (const each of first) this.#notify(each)
    })
  }

  delete(source: Source, watcher: Watcher): void {
    this.#bySource.get(source)?.delete(watcher)
  }
}
