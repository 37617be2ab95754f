/**
 * True for a request by which a person's browser opens a page, and which may therefore be answered with one of our
 * pages instead of a problem document: GET or HEAD, HTML wanted by name, and not fetched by a script.
 * @param header the value of a request header by its lower-case name
 */
export function isNavigation(method: string, header: (name: string) => string | undefined): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false
  const mode = header('sec-fetch-mode')
  if (mode !== undefined) return mode === 'navigate'
  return /(?:^|[,\s])text\/html(?:[;,\s]|$)/i.test(header('accept') ?? '')
}
