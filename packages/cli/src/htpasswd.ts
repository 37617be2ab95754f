import { parseUserName, USER_NAME_RULE, type UserName } from '@mux/contract'
import { parseStoredPassword, type PasswordKind } from '@mux/edge/registry'

/** One person of an htpasswd file. */
export interface HtpasswdEntry {
  user: UserName
  hash: string
  kind: PasswordKind
}

/** What a file says, and every line that cannot be taken, told without what stands in it of a password. */
export interface Htpasswd {
  entries: HtpasswdEntry[]
  problems: string[]
}

/** Reads the text of an htpasswd file: `name:hash` lines, blank ones and comments (`#`). */
export function readHtpasswd(text: string): Htpasswd {
  const entries: HtpasswdEntry[] = []
  const problems: string[] = []
  const lineOf = new Map<UserName, number>()
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue
    const read = readLine(line)
    const before = typeof read === 'string' ? undefined : lineOf.get(read.user)
    if (typeof read === 'string') problems.push(`line ${index + 1}: ${read}`)
    else if (before !== undefined)
      problems.push(`line ${index + 1}: ${read.user} is in line ${before} already`)
    else {
      lineOf.set(read.user, index + 1)
      entries.push(read)
    }
  }
  return { entries, problems }
}

/** The person of a line, or why there is none. */
function readLine(line: string): HtpasswdEntry | string {
  const colon = line.indexOf(':')
  if (colon < 0) return 'there is no colon between a name and a hash'
  const [typed, hash] = [line.slice(0, colon), line.slice(colon + 1)]
  const user = parseUserName(typed)
  if (user === undefined)
    return `${JSON.stringify(typed.slice(0, 80))} cannot be a user name: ${USER_NAME_RULE}`
  const stored = parseStoredPassword(hash)
  return stored === undefined ? `${user} has ${describe(hash)}` : { user, hash, kind: stored.kind }
}

/** What a hash that cannot be taken seems to be, in words that say nothing of it. */
function describe(hash: string): string {
  if (hash === '') return 'no password'
  if (/^[./0-9A-Za-z]{13}$/.test(hash))
    return 'a hash of DES crypt, which is broken: give them a new password'
  if (/^\$(?:2[aby]|5|6)\$/.test(hash))
    return 'a hash that is cut off or damaged, or takes more time than a sign-in may'
  if (/^(?:\$apr1\$|\{SHA\}|\$scrypt\$)/.test(hash)) return 'a hash that is cut off or damaged'
  if (/^[${]/.test(hash)) return 'a hash of a kind that mux does not know'
  return 'no hash, or the password itself'
}
