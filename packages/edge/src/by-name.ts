/** Texts that are remembered at once; a site has far fewer, and who sends more makes nobody but himself slower. */
const CAPACITY = 1_000
/** The longest text that is remembered, in characters: with it, what strangers send takes a bounded place. */
const LONGEST = 256

/**
 * Remembers what a pure function makes of header names, and of values such as the `Host`. The same few come with every
 * request, and folding each of them anew took longer than all the rest of building a header list.
 */
export function rememberByName<Facts>(compute: (name: string) => Facts): (name: string) => Facts {
  const known = new Map<string, Facts>()
  return (name) => {
    let facts = known.get(name)
    if (facts === undefined) {
      facts = compute(name)
      if (name.length > LONGEST) return facts
      if (known.size >= CAPACITY) known.clear()
      known.set(name, facts)
    }
    return facts
  }
}
