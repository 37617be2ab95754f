import { type HostName, RecordError } from '@mux/contract'
import type { RegistryStore } from '@mux/edge/registry'
import { CliError, toCliError } from '../errors.ts'
import { HostFailure } from '../host-failure.ts'
import { remoteHost } from '../operator-keys.ts'
import { projectRole } from '../project-role.ts'
import type { Project } from '../project.ts'
import type { RemoteHost } from '../remote-host.ts'
import { missingHost } from './find-hosts.ts'

export interface Telling {
  /** Hosts that are not told. */
  skip: readonly HostName[]
  /** Tells one host elsewhere. */
  there: (host: RemoteHost) => Promise<unknown>
  /** Tells this very project, where that is a host. */
  here: (host: HostName) => Promise<unknown>
}

/**
 * Tells each host something, all at once.
 * @returns those that were told
 * @throws {CliError} `host_unreachable` with the reason of each that was not, when the others were; `host_not_found`
 */
export async function tellHosts(
  project: Project,
  registry: RegistryStore,
  { skip, there, here }: Telling,
  whatNext: { message: string; hint: string },
): Promise<HostName[]> {
  const all = new Map((await registry.list('host')).map(({ name, record }) => [name as HostName, record]))
  for (const name of skip) if (!all.has(name)) missingHost(all, name)
  const own = (await projectRole(project)).host
  const told: HostName[] = []
  const failed: string[] = []
  const tell = async (name: HostName): Promise<void> => {
    const record = all.get(name)!
    try {
      if (record instanceof RecordError) throw record
      if (name === own) await here(name)
      else await there(await remoteHost(project, name, record))
      told.push(name)
    } catch (error) {
      failed.push(`${name}: ${error instanceof HostFailure ? error.reason : toCliError(error).message}`)
    }
  }
  await Promise.all([...all.keys()].filter((name) => !skip.includes(name)).map(tell))
  told.sort()
  if (failed.length === 0) return told
  throw new CliError('host_unreachable', whatNext.message, {
    hint: whatNext.hint,
    details: failed.sort(),
    report: { hosts: told },
  })
}
