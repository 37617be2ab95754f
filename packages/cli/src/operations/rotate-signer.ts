import { rm } from 'node:fs/promises'
import type { HostName, Signer } from '@mux/contract'
import type { RegistryStore } from '@mux/edge/registry'
import { deriveControlKey, deriveHostKey } from '@mux/instance/host-key'
import { edgeRing } from '../edge-keys.ts'
import { acceptKey, currentFile, type KeyRing, retireBefore } from '../key-ring.ts'
import { ensureKey } from '../keys.ts'
import { operatorRing } from '../operator-keys.ts'
import { withLock } from '../project-lock.ts'
import type { Project } from '../project.ts'
import { orderHost } from '../remote-host.ts'
import { reloadKeys } from '../running-host.ts'
import { acceptSigner, retireSigner } from './host-signers.ts'
import { tellHosts } from './tell-hosts.ts'

/** How long a host may take to change its keys, in milliseconds. */
const PATIENCE = 10_000

const SIGNERS: Record<
  Signer,
  { ring: (project: Project) => KeyRing; derive: (master: Uint8Array, host: HostName) => Uint8Array }
> = {
  edge: { ring: edgeRing, derive: deriveHostKey },
  operator: { ring: operatorRing, derive: deriveControlKey },
}

export interface SignerChange {
  signer: Signer
  /** Those that were told. */
  hosts: HostName[]
}

/**
 * Changes the key from which those of all hosts are made. Each host takes the new one as well before it is put into the
 * place of the present one, which stays good there until it is retired. Broken off anywhere, or refused because a host was
 * not reached, it goes on with the same new key when it is ordered again.
 * @param skip hosts that are not told, and have to be given their key by hand
 * @throws {CliError} `host_unreachable`, `host_not_found`, `key_exposed`, `key_unusable`, `locked`
 */
export async function rotateSigner(
  project: Project,
  registry: RegistryStore,
  signer: Signer,
  skip: readonly HostName[],
): Promise<SignerChange> {
  return withLock(project, 'keys', async () => {
    const ring = SIGNERS[signer].ring(project)
    await ensureKey(currentFile(ring))
    const next = currentFile({ ...ring, name: `${ring.name}.next` })
    const master = await ensureKey(next)
    const keyOf = (host: HostName) => Buffer.from(SIGNERS[signer].derive(master, host)).toString('base64')
    const hosts = await tellHosts(
      project,
      registry,
      {
        skip,
        there: (host) => orderHost(host, { op: 'accept', signer, key: keyOf(host.name) }, PATIENCE),
        here: async (host) => {
          await acceptSigner(project, host, signer, keyOf(host))
          await reloadKeys(project)
        },
      },
      {
        message: 'The key was not changed, because not every host knows the new one.',
        hint: `When they are back: mux key rotate --${signer}   Without them: --skip NAME, and later mux host key NAME for each`,
      },
    )
    await acceptKey(ring, master, Date.now())
    await rm(next, { force: true })
    return { signer, hosts }
  })
}

/**
 * Has each host take nothing any more that is signed with an older key.
 * @throws {CliError} `host_unreachable`, `host_not_found`, `key_exposed`, `key_unusable`, `locked`
 */
export async function retireSigners(
  project: Project,
  registry: RegistryStore,
  signer: Signer,
  skip: readonly HostName[],
): Promise<SignerChange> {
  return withLock(project, 'keys', async () => {
    const hosts = await tellHosts(
      project,
      registry,
      {
        skip,
        there: (host) => orderHost(host, { op: 'retire', signer }, PATIENCE),
        here: async (host) => {
          await retireSigner(project, host, signer)
          await reloadKeys(project)
        },
      },
      {
        message: 'Not every host was reached; those still take what is signed with an older key.',
        hint: `When they are back: mux key retire --${signer}`,
      },
    )
    await retireBefore(SIGNERS[signer].ring(project), Infinity)
    return { signer, hosts }
  })
}
