import { trimBlanks } from './trim-blanks.ts'

/** A `Set-Cookie` value in its parts (RFC 6265bis section 5.6); nothing of them is decoded. */
export interface SetCookie {
  /** Empty where there is none: browsers send such a cookie back as its value alone. */
  name: string
  value: string
  /** As they stand there, without the semicolons between them. */
  attributes: string[]
}

export function parseSetCookie(text: string): SetCookie {
  const [pair, ...attributes] = text.split(';')
  const equals = pair!.indexOf('=')
  return {
    name: equals < 0 ? '' : trimBlanks(pair!.slice(0, equals)),
    value: trimBlanks(pair!.slice(equals + 1)),
    attributes,
  }
}

export function formatSetCookie({ name, value, attributes }: SetCookie): string {
  return [`${name}=${value}`, ...attributes].join(';')
}

/** The lower-case name of an attribute. */
export function attributeName(attribute: string): string {
  const equals = attribute.indexOf('=')
  return trimBlanks(equals < 0 ? attribute : attribute.slice(0, equals)).toLowerCase()
}

/**
 * True when the browser is told to forget the cookie: of several attributes of one name the last counts, and `Max-Age`
 * goes before `Expires`.
 * @param now milliseconds since the epoch
 */
export function isRemoval({ attributes }: SetCookie, now: number): boolean {
  const valueOf = (name: string) => {
    const last = attributes.findLast((attribute) => attributeName(attribute) === name)
    return last === undefined ? undefined : trimBlanks(last.slice(last.indexOf('=') + 1))
  }
  const maxAge = valueOf('max-age')
  if (maxAge !== undefined && /^-?\d+$/.test(maxAge)) return Number(maxAge) <= 0
  return Date.parse(valueOf('expires') ?? '') <= now
}
