import { ControlError, type HostName, LOCAL_HOST, type Signer } from '@mux/contract'
import { controlRing, hostRing } from '../edge-keys.ts'
import { acceptKey, type KeyRing, retireBefore } from '../key-ring.ts'
import { parseKey } from '../keys.ts'
import { withLock } from '../project-lock.ts'
import type { Project } from '../project.ts'

const RINGS: Record<Signer, (project: Project, host: HostName) => KeyRing> = {
  edge: hostRing,
  operator: controlRing,
}

/**
 * Has this host know a signer by another key as well.
 * @param text the key in base64
 * @throws {ControlError} where this is no host
 */
export async function acceptSigner(
  project: Project,
  host: HostName,
  signer: Signer,
  text: string,
): Promise<{ changed: boolean }> {
  const ring = ringOf(project, host, signer)
  const accepted = await withLock(project, 'change', () => acceptKey(ring, parseKey(text)!, Date.now()))
  return { changed: accepted !== 'unchanged' }
}

/**
 * Has this host know a signer by nothing but its present key.
 * @throws {ControlError} where this is no host
 */
export async function retireSigner(
  project: Project,
  host: HostName,
  signer: Signer,
): Promise<{ retired: number }> {
  const ring = ringOf(project, host, signer)
  const { retired } = await withLock(project, 'change', () => retireBefore(ring, Infinity))
  return { retired }
}

function ringOf(project: Project, host: HostName, signer: Signer): KeyRing {
  if (host === LOCAL_HOST)
    throw new ControlError('control_request_invalid', 'This mux is no host of an edge that runs elsewhere.')
  return RINGS[signer](project, host)
}
