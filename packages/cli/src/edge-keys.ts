import type { HostName } from '@mux/contract'
import { CliError } from './errors.ts'
import { currentFile, type KeyRing, olderKeys } from './key-ring.ts'
import { ensureKey, readKey } from './keys.ts'
import type { Project } from './project.ts'

/** The keys of sessions. */
export function sessionRing({ state }: Project): KeyRing {
  return { directory: state.keys, name: 'session' }
}

/** The keys from which those of all hosts are derived. */
export function edgeRing({ state }: Project): KeyRing {
  return { directory: state.keys, name: 'edge' }
}

/** The keys by which a host knows its edge. */
export function hostRing({ state }: Project, host: HostName): KeyRing {
  return { directory: state.keys, name: `host-${host}` }
}

/** The keys by which a host knows its operator. */
export function controlRing({ state }: Project, host: HostName): KeyRing {
  return { directory: state.keys, name: `control-${host}` }
}

/**
 * The key that signs sessions, made if there is none, then those that still verify.
 * @throws {CliError} `key_exposed`, `key_unusable`
 */
export async function sessionKeys(project: Project): Promise<[Uint8Array, ...Uint8Array[]]> {
  const ring = sessionRing(project)
  return [await ensureKey(currentFile(ring)), ...(await olderKeys(ring))]
}

/**
 * The keys with which an edge may sign for a host.
 * @throws {CliError} `key_exposed`, `key_unusable`, also when there is none
 */
export async function hostKeys(project: Project, host: HostName): Promise<Uint8Array[]> {
  const ring = hostRing(project, host)
  const key = await readKey(currentFile(ring))
  if (key) return [key, ...(await olderKeys(ring))]
  throw new CliError('key_unusable', `This machine has no key for the host ${host}.`, {
    hint: `Give it the join key that its operator has from mux host add: mux host join ${host}`,
  })
}

/**
 * The keys with which an operator may sign orders to a host; none where nobody has been given that right.
 * @throws {CliError} `key_exposed`, `key_unusable`
 */
export async function controlKeys(project: Project, host: HostName): Promise<Uint8Array[]> {
  const ring = controlRing(project, host)
  const key = await readKey(currentFile(ring))
  return key ? [key, ...(await olderKeys(ring))] : []
}
