import type { HostName } from '@mux/contract'
import type { ListenAddress } from './config-values.ts'
import { CliError } from './errors.ts'
import type { HostSection } from './host-section.ts'
import type { ProjectConfig } from './mux-yaml.ts'

/** What the command line says instead of `host` in mux.yaml. */
export interface HostOverrides {
  name?: HostName | undefined
  origin?: string | undefined
  listen?: ListenAddress | undefined
}

/**
 * As which host this project serves an edge elsewhere; undefined when it has an edge of its own.
 * @throws {CliError} `usage` when there is too little to go by, or mux.yaml says another name
 */
export function hostRole({ host }: ProjectConfig, said: HostOverrides): HostSection | undefined {
  const name = said.name ?? host?.name
  if (name === undefined) {
    if (said.origin === undefined) return undefined
    throw new CliError(
      'usage',
      '--origin takes --host as well.',
      'Or let mux.yaml say both: mux host join NAME',
    )
  }
  if (host && host.name !== name) {
    throw new CliError('usage', `This project is the host ${host.name}, and --host says ${name}.`, {
      hint: 'Leave --host out, or change host.name in mux.yaml.',
    })
  }
  const origin = said.origin ?? host?.origin
  const listen = said.listen ?? host?.listen
  if (origin === undefined || listen === undefined) {
    throw new CliError('usage', `mux.yaml says of no host how ${name} is reached.`, {
      hint: `Let it: mux host join ${name} --origin URL   Or name --origin and --listen as well.`,
    })
  }
  return { name, origin, listen, tls: host?.tls ?? null }
}
