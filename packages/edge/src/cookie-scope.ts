import type { InstanceName, UserName } from '@mux/contract'
import { cookieName } from './session.ts'
import { attributeName, formatSetCookie, isRemoval, parseSetCookie, type SetCookie } from './set-cookie.ts'
import { mayHaveSignIn, signsIn } from './sign-in-cookies.ts'
import { trimBlanks } from './trim-blanks.ts'

/**
 * Begins the name, on the wire, of every cookie that belongs to one instance and one user. The sign behind it and
 * between the parts stands in no name of an instance, and is encoded in none of a user.
 */
const MARK = 'mux~'
/** What browsers make conditions of (RFC 6265bis section 4.1.3 and later ones); it has to stay in front to mean that. */
const PREFIX = /^__(?:Host-Http-|Host-|Secure-|Http-)/i

/**
 * The cookies of one exchange. All instances share one origin, so a browser would give those of the first user to the
 * instance of the next one. Those that scripts cannot read (`HttpOnly`: what people are signed in with) travel under a name
 * of this instance and this user, and have their own name towards the instance. Those that scripts read keep their names,
 * because scripts look for them; they are dropped when somebody else signs in.
 */
export class CookieScope {
  readonly #of: { instance: InstanceName; user: UserName | undefined; now: () => number }
  #start: string | undefined
  /** Own names of the cookies that came under their names of the wire. */
  #restored: Set<string> | undefined

  /** @param of.now milliseconds since the epoch */
  constructor(of: { instance: InstanceName; user: UserName | undefined; now: () => number }) {
    this.#of = of
  }

  /** What the instance receives of a `Cookie` header; undefined when nothing is left. */
  toInstance(header: string): string | undefined {
    if (!header.includes(MARK)) return withoutSignIn(header)
    const pairs = pairsOf(header).flatMap((pair) => {
      const name = cookieName(pair)
      if (signsIn(name)) return []
      if (name === undefined || !isMarked(name)) return [{ name, pair, restored: false }]
      const own = this.#ownName(name)
      // What no instance can set, a client has made up.
      if (own === undefined || signsIn(own) || isMarked(own)) return []
      this.#restored ??= new Set()
      this.#restored.add(own)
      return [{ name: own, pair: ` ${own}${pair.slice(pair.indexOf('='))}`, restored: true }]
    })
    // A script may have set another of the same name; the one that no script could set is the true one.
    const kept = pairs.filter(
      ({ name, restored }) => restored || name === undefined || !this.#restored?.has(name),
    )
    return joined(kept.map(({ pair }) => pair))
  }

  /** What the browser receives of a `Set-Cookie` of the instance: none, one, or two. */
  toBrowser(text: string): string[] {
    const cookie = parseSetCookie(text)
    const { name } = cookie
    // Nobody plants a cookie in the name of another instance, or without a name and in the guise of one.
    if (isMarked(name === '' ? cookie.value.replace(/^[\s=]+/, '') : name)) return []
    const scoped = { ...cookie, name: this.#wireName(name) }
    if (name !== '' && cookie.attributes.some((attribute) => attributeName(attribute) === 'httponly'))
      return [formatSetCookie(scoped)]
    // Frameworks remove a cookie without saying that it was HttpOnly.
    if (name !== '' && isRemoval(cookie, this.#of.now())) return [text, formatSetCookie(scoped)]
    // The instance means this one from now on, and not the one that it had set for itself before.
    return this.#restored?.has(name) === true ? [text, formatSetCookie(removal(scoped))] : [text]
  }

  /** `Set-Cookie` values that remove what of a `Cookie` header is for this instance and this user, or for everybody. */
  removals(header: string): string[] {
    return removeAll(header, (name) => !isMarked(name) || this.#ownName(name) !== undefined)
  }

  #wireName(name: string): string {
    const prefix = PREFIX.exec(name)?.[0] ?? ''
    return `${prefix}${this.#prefix()}${name.slice(prefix.length)}`
  }

  /** Undefined for one of another instance or another user. */
  #ownName(wireName: string): string | undefined {
    const prefix = PREFIX.exec(wireName)?.[0] ?? ''
    const rest = wireName.slice(prefix.length)
    const start = this.#prefix()
    return rest.startsWith(start) ? prefix + rest.slice(start.length) : undefined
  }

  /** Made when it is needed: most exchanges have no such cookie. */
  #prefix(): string {
    const { instance, user } = this.#of
    // encodeURIComponent leaves the sign alone, and no user has it in their name.
    this.#start ??= `${MARK}${instance}~${encodeURIComponent(user ?? '')}~`
    return this.#start
  }
}

/** A `Cookie` header without what people sign in by and otherwise byte for byte the same; undefined when nothing is left. */
export function withoutSignIn(header: string): string | undefined {
  if (!mayHaveSignIn(header)) return header
  return joined(pairsOf(header).filter((pair) => !signsIn(cookieName(pair))))
}

/**
 * Workers get lines of one name joined by a comma, as no `Cookie` may be: one of ours in the second line would pass for a part of the
 * value before it, and reach an instance. It is left out, and taken for nobody's: whoever can set any cookie can write that
 * into its value. Elsewhere a comma may well be a part of a value, and stays.
 */
function pairsOf(header: string): string[] {
  return header.replaceAll(BEHIND_COMMA, '').split(';')
}

const BEHIND_COMMA = /, *(?:__Host-mux=|CF_A|(?:__(?:Host-Http|Host|Secure|Http)-)?mux~)[^;,]*/gi

/** `Set-Cookie` values that remove what a browser has sent and can be named, but for what it is signed in by. */
export function removeAll(header: string, isMeant: (name: string) => boolean = () => true): string[] {
  const names = new Set(header.split(';').map(cookieName))
  return [...names].flatMap((name) =>
    name !== undefined && !signsIn(name) && TOKEN.test(name) && isMeant(name)
      ? [`${name}=; Max-Age=0; Path=/; Secure`]
      : [],
  )
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

function isMarked(name: string): boolean {
  return name.replace(PREFIX, '').toLowerCase().startsWith(MARK)
}

/** Path and prefix decide which cookie it is, so they stay. */
function removal({ name, attributes }: SetCookie): SetCookie {
  const kept = attributes.filter((attribute) => ['path', 'secure'].includes(attributeName(attribute)))
  return { name, value: '', attributes: [' Max-Age=0', ...kept] }
}

function joined(pairs: string[]): string | undefined {
  const text = pairs.join(';')
  return trimBlanks(text) === '' ? undefined : text.replace(/^[ \t]+/, '')
}
