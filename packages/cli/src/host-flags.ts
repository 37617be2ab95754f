import { URL_RULE, ORIGIN_RULE, parseOrigin, parseOriginUrl } from './config-values.ts'
import { CliError } from './errors.ts'
import { type HostPlace, refuseUnreachable } from './host-place.ts'
import { Flags } from './oclif.ts'

const OFF = 'off'

export const controlUrlFlag = {
  'control-url': Flags.string({
    description: 'URL by which your commands reach it, where that is another one; off: the same',
    helpValue: 'URL',
  }),
}

/** Where a new host is. @throws {CliError} `usage` */
export function hostPlace(url: string, control: string | undefined): HostPlace {
  const place = { origin: originOf(url)!, control: controlUrlOf(control) ?? null }
  refuseUnreachable(place)
  return place
}

/** @throws {CliError} `usage` */
export function originOf(url: string | undefined, flag = '--url'): string | undefined {
  return read(flag, url, ORIGIN_RULE, parseOrigin)
}

/** Null: the same as its origin. @throws {CliError} `usage` */
export function controlUrlOf(url: string | undefined): string | null | undefined {
  return url === OFF ? null : read('--control-url', url, `${URL_RULE}, or ${OFF}`, parseOriginUrl)
}

/** A warning, where what the operator's commands send can be read on its way. */
export function openWarning({ origin, control }: HostPlace): string[] {
  const url = control ?? origin
  const isOpen = url.startsWith('http:') && !/^(?:127\.[\d.]+|localhost|\[::1\])$/.test(new URL(url).hostname)
  return isOpen
    ? [
        `At ${url} nothing is encrypted: others on the way can read pages, settings and secrets. Let a TLS front stand before it.`,
      ]
    : []
}

function read<Value>(
  flag: string,
  text: string | undefined,
  rule: string,
  parse: (text: string) => Value | undefined,
): Value | undefined {
  const value = text === undefined ? undefined : parse(text)
  if (text !== undefined && value === undefined)
    throw new CliError('usage', `${flag} is ${JSON.stringify(text)}; expected ${rule}.`)
  return value
}
