/** What would let a cache hand an answer to somebody else (RFC 9111 sections 5.2.2.9 and 5.2.2.10). */
const SHARED = /^(?:public|s-maxage)(?:[ \t]*=|$)/i
/** Either keeps an answer from shared caches; `private="field"` keeps away no more than that field. */
const STRICT = /^(?:private|no-store)$/i

/**
 * The `Cache-Control` of an answer that is for one user: what the instance said, and `private` unless that is stricter.
 * Without it a cache in between may keep an answer to a cookie and give it to whoever asks next.
 * @param value all of the instance's, joined by commas; undefined when it said nothing
 */
export function keepPrivate(value: string | undefined): string {
  if (value === undefined) return 'private'
  const directives = splitDirectives(value).filter((directive) => !SHARED.test(directive))
  if (directives.some((directive) => STRICT.test(directive))) return directives.join(', ')
  return ['private', ...directives.filter((directive) => !/^private[ \t]*=/i.test(directive))].join(', ')
}

/** At the commas that stand outside of quotes; one that is not closed goes on to the end. */
function splitDirectives(value: string): string[] {
  const parts = value.match(/(?:"(?:[^"\\]|\\.)*(?:"|$)|[^,"])+/g) ?? []
  return parts.map((part) => part.trim()).filter((part) => part !== '')
}
