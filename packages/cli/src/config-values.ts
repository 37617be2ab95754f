import { isIP } from 'node:net'
import { constants } from 'node:os'
import { extname } from 'node:path'
import {
  type HostName,
  INSTANCE_NAME_RULE,
  LOCAL_HOST,
  parseHostName,
  parseInstanceName,
  VPC_ORIGIN,
  isNobodysHost,
} from '@mux/contract'

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
/** A timer of Node holds 2^31 ms, a little under 25 days; one that is set for longer fires at once. */
const MAX_DURATION = 24 * UNITS.d
export const DURATION_RULE = 'a duration such as 500ms, 30s, 30m or 1h, of at most 24d'

/** Milliseconds of `30s`, `1.5h`. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)$/.exec(text)
  if (match === null) return undefined
  const milliseconds = Math.round(Number(match[1]) * UNITS[match[2] as keyof typeof UNITS])
  return milliseconds <= MAX_DURATION ? milliseconds : undefined
}

/** Ten years. */
const MAX_LONG_DURATION = 3650 * UNITS.d

export const LONG_DURATION_RULE = 'a duration such as 30m, 12h or 90d, of at most 3650d'

/** Milliseconds of whole minutes, hours or days, more than none; for what waits on no timer. */
export function parseLongDuration(text: string): number | undefined {
  const match = /^(\d{1,7})([mhd])$/.exec(text)
  if (match === null) return undefined
  const milliseconds = Number(match[1]) * UNITS[match[2] as 'm' | 'h' | 'd']
  return milliseconds > 0 && milliseconds <= MAX_LONG_DURATION ? milliseconds : undefined
}

const SIZES = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 } as const
export const SIZE_RULE = 'a size such as 512MiB or 2GiB'

/** Bytes of `512MiB`. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d{1,6}(?:\.\d{1,3})?)(KiB|MiB|GiB|TiB)$/.exec(text)
  if (match === null) return undefined
  const bytes = Math.round(Number(match[1]) * SIZES[match[2] as keyof typeof SIZES])
  return bytes > 0 ? bytes : undefined
}

export const COUNT_RULE = 'a whole number from 16 to 10000000'

/** How many open files or processes: with less than these, hardly any program begins. */
export function parseCount(text: string): number | undefined {
  const count = /^\d{2,8}$/.test(text) ? Number(text) : NaN
  return count >= 16 && count <= 10_000_000 ? count : undefined
}

export const USER_RULE = 'the name or number of a user other than root'
export const GROUP_RULE = 'the name or number of a group other than that of root'

/** A name or a number as useradd(8) and the directories of Windows domains have them. */
export function parseAccount(text: string): string | undefined {
  if (/^\d+$/.test(text)) return Number(text) > 0 && Number(text) < 2 ** 32 - 1 ? text : undefined
  return /^[A-Za-z_][A-Za-z0-9_.@\\-]{0,63}\$?$/.test(text) && text !== 'root' ? text : undefined
}

export function parseTruth(text: string): boolean | undefined {
  return text === 'true' ? true : text === 'false' ? false : undefined
}

export const UMASK_RULE = 'a mask in octal such as 0027, or off'

export function parseUmask(text: string): number | undefined {
  return /^0?[0-7]{3}$/.test(text) ? Number.parseInt(text, 8) : undefined
}

export interface ListenAddress {
  /** A name or an IP address, an IPv6 one without its brackets. */
  host: string
  /** 0: a free one. */
  port: number
}

export const LISTEN_RULE = 'an address and a port such as 127.0.0.1:8080 or [::1]:8080'

export function parseListen(text: string): ListenAddress | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([A-Za-z0-9.-]{1,253})):(\d{1,5})$/.exec(text)
  if (match === null) return undefined
  const port = Number(match[3])
  return port <= 65_535 ? { host: (match[1] ?? match[2])!, port } : undefined
}

/** The address as {@link parseListen} reads it. */
export function listenText({ host, port }: ListenAddress): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

export const HOST_NAME_RULE = `${INSTANCE_NAME_RULE}, and not ${LOCAL_HOST}`

/** The name of a host that an edge elsewhere reaches. */
export function parseRemoteHostName(text: string): HostName | undefined {
  return text === LOCAL_HOST ? undefined : parseHostName(text)
}

export const URL_RULE = 'a URL of a machine, without a path, such as https://web1.example.com'

/** An http or https URL of nothing but a host, as records have it: lower case, without a port that goes without saying. */
export function parseOriginUrl(text: string): string | undefined {
  if (text.length > 300 || /[\s\\?#]/.test(text) || !/^https?:\/\//i.test(text) || !URL.canParse(text))
    return undefined
  const { origin, hostname, pathname, username, password } = new URL(text)
  const isBare = pathname === '/' && username === '' && password === ''
  return isBare && !isNobodysHost(hostname) ? origin : undefined
}

export const ORIGIN_RULE = `${URL_RULE}, or ${VPC_ORIGIN}BINDING for a binding of the Worker`

/** By what an edge elsewhere reaches a host. */
export function parseOrigin(text: string): string | undefined {
  return /^vpc:[A-Za-z_]\w{0,62}$/.test(text) ? text : parseOriginUrl(text)
}

export const FILE_RULE = 'the path of a file'

export function parseFilePath(text: string): string | undefined {
  return text === '' || text.includes('\0') ? undefined : text
}

export const NETWORK_RULE = 'an address or a network such as 127.0.0.1 or 10.0.0.0/8'

/** One address, or all that begin with the same bits; never everybody, whose word would be nobody's. */
export function parseNetwork(text: string): { address: string; prefix: number } | undefined {
  const match = /^([0-9a-fA-F:.]{2,45})(?:\/(\d{1,3}))?$/.exec(text)
  const address = match?.[1] ?? ''
  const bits = { 0: 0, 4: 32, 6: 128 }[isIP(address)]!
  const prefix = match?.[2] === undefined ? bits : Number(match[2])
  return prefix > 0 && prefix <= bits ? { address, prefix } : undefined
}

export const SIGNALS = Object.keys(constants.signals).filter(
  // The two that no process can answer; the other end of `limits.stop` uses the first.
  (name) => name !== 'SIGKILL' && name !== 'SIGSTOP',
)

export function parseSignal(text: string): NodeJS.Signals | undefined {
  return SIGNALS.includes(text) ? (text as NodeJS.Signals) : undefined
}

export const PATH_RULE = 'a path that begins with /'

export function parseHealthPath(text: string): string | undefined {
  return /^\/[!-"$-~]{0,1000}$/.test(text) ? text : undefined
}

export const PATH_PATTERN_RULE =
  'a path that begins with /, without a query; * at its end stands for anything'

export function parsePathPattern(text: string): string | undefined {
  return /^\/[!-"$-)+->@-~]{0,1000}\*?$/.test(text) ? text : undefined
}

export const HEADER_RULE =
  'the name of a header such as X-Remote-User, that HTTP and mux do not use otherwise'

/** The name of a header that tells the application who is there; never one that means something else to somebody. */
export function parseIdentityHeader(text: string): string | undefined {
  if (!/^[A-Za-z](?:[A-Za-z0-9-]{0,62}[A-Za-z0-9])?$/.test(text)) return undefined
  return TAKEN_HEADER.test(text) ? undefined : text
}

const TAKEN_HEADER =
  /^(?:mux-.*|x-forwarded-.*|forwarded|x-request-id|x-real-ip|host|cookie|authorization|proxy.*|sec-.*|accept.*|content-.*|if-.*|origin|referer|range|date|via|expect|connection|keep-alive|te|trailer|transfer-encoding|upgrade|user-agent|cache-control|pragma|signature.*)$/i

export const SETTING_NAME_RULE = 'a name of letters, digits and _, not beginning with a digit'

export function isSettingName(text: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]{0,200}$/.test(text)
}

export const SECRET_NAME_RULE = '1 to 128 of letters, digits and . _ -, beginning with a letter or digit'

export function isSecretName(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(text)
}

export const POOL_NAME_RULE = 'a name with {n} at its end, such as django{n}'

/** The template by which new instances are named; `{n}` stands at the end, where the number of an instance is read. */
export function parsePoolName(text: string): string | undefined {
  return text.endsWith('{n}') && parseInstanceName(text.replace('{n}', '1')) !== undefined ? text : undefined
}

export const SITE_NAME_RULE = 'a name of 1 to 80 characters'

export function parseSiteName(text: string): string | undefined {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.trim() !== '' && text.length <= 80 && !/[\0-\x1f\x7f]/.test(text) ? text.trim() : undefined
}

/** The kinds of images that browsers show in a page, by the end of the file's name. */
export const IMAGE_TYPES: Readonly<Record<string, string>> = {
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.webp': 'image/webp',
}
export const LOGO_RULE = `the path of an image, with ${Object.keys(IMAGE_TYPES).join(', ')} at its end`

export function parseLogoPath(text: string): string | undefined {
  return extname(text).toLowerCase() in IMAGE_TYPES && !text.includes('\0') ? text : undefined
}
