/** Header names that are remembered at once; a site has far fewer, and who sends more makes nobody but himself slower. */
const CAPACITY = 1_000

/**
 * Remembers what a function makes of header names. The same few come with every request, and folding each of them anew
 * took longer than all the rest of building a header list.
 */
export function rememberByName<Facts>(compute: (name: string) => Facts): (name: string) => Facts {
  const known = new Map<string, Facts>()
  return (name) => {
    let facts = known.get(name)
    if (facts === undefined) {
      facts = compute(name)
      if (known.size >= CAPACITY) known.clear()
      known.set(name, facts)
    }
    return facts
  }
}
