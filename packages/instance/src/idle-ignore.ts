/**
 * Whether a request is one that `idle_ignore` names. Bytes are compared: a path that is spelled in another way counts as
 * activity, which costs no more than an instance that stays awake.
 * @param target the request target as it came, in origin form
 * @param paths each is a whole path, or the beginning of one when it ends with `*`
 */
export function isIgnored(target: string, paths: readonly string[]): boolean {
  if (paths.length === 0) return false
  const query = target.indexOf('?')
  const path = query === -1 ? target : target.slice(0, query)
  return paths.some((one) => (one.endsWith('*') ? path.startsWith(one.slice(0, -1)) : path === one))
}
