import { LISTEN_RULE, type ListenAddress, parseListen } from './config-values.ts'
import { CliError } from './errors.ts'

/** The address that --listen names. @throws {CliError} `usage` */
export function listenOf(text: string | undefined): ListenAddress | undefined {
  const address = text === undefined ? undefined : parseListen(text)
  if (text === undefined || address) return address
  throw new CliError('usage', `--listen is ${JSON.stringify(text)}; expected ${LISTEN_RULE}.`)
}
