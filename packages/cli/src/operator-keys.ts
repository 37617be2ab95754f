import { type HostName, type HostRecord, controlUrl } from '@mux/contract'
import { deriveControlKey, deriveHostKey } from '@mux/instance/host-key'
import { edgeRing } from './edge-keys.ts'
import { CliError } from './errors.ts'
import { HostFailure } from './host-failure.ts'
import type { HostKeys } from './join-key.ts'
import { currentFile, type KeyRing } from './key-ring.ts'
import { ensureKey, readKey } from './keys.ts'
import type { Project } from './project.ts'
import type { RemoteHost } from './remote-host.ts'

/** The keys from which those are derived with which the operator signs orders to each host. */
export function operatorRing({ state }: Project): KeyRing {
  return { directory: state.keys, name: 'operator' }
}

/**
 * What a host needs to know its edge and its operator by.
 * @param make whether keys that are missing are made; else only where both are
 * @throws {CliError} `key_exposed`, `key_unusable`
 */
export async function keysForHost(project: Project, host: HostName, make: boolean): Promise<HostKeys> {
  const [edge, operator] = [currentFile(edgeRing(project)), currentFile(operatorRing(project))]
  const masters = [await readKey(edge), await readKey(operator)]
  if (!make) {
    const missing = [edge, operator].find((_, at) => masters[at] === undefined)
    if (missing !== undefined) throw lost(missing)
  }
  return {
    edge: deriveHostKey(await ensureKey(edge), host),
    control: deriveControlKey(await ensureKey(operator), host),
  }
}

/**
 * A host as its operator reaches it.
 * @throws {CliError} `key_exposed`, `key_unusable`, `host_unreachable` when there is no URL for it
 */
export async function remoteHost(project: Project, name: HostName, record: HostRecord): Promise<RemoteHost> {
  const file = currentFile(operatorRing(project))
  const master = await readKey(file)
  if (master === undefined) throw lost(file)
  const origin = controlUrl(record)
  if (origin === null) {
    const reason = 'it has no URL at which its operator reaches it'
    throw new HostFailure('host_unreachable', reason, `The host ${name} cannot be reached: ${reason}.`, {
      hint: `Give it one besides ${record.origin}: mux host set ${name} --control-url URL`,
    })
  }
  return { name, origin, key: deriveControlKey(master, name) }
}

/** A new one would lock out each host that knows the old one. */
function lost(file: string): CliError {
  return new CliError('key_unusable', `There are hosts, and the key ${file} is gone.`, {
    hint: 'Put it back from a backup. Without one, mux host key NAME makes another, which each host has to be given then.',
  })
}
