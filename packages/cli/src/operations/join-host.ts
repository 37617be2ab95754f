import { isDeepStrictEqual } from 'node:util'
import type { HostName } from '@mux/contract'
import { changeHostSection } from '../config-edit.ts'
import { type ListenAddress, listenText } from '../config-values.ts'
import { controlRing, hostRing } from '../edge-keys.ts'
import { CliError } from '../errors.ts'
import { DEFAULT_HOST_LISTEN } from '../host-section.ts'
import type { HostKeys } from '../join-key.ts'
import { acceptKey } from '../key-ring.ts'
import { readConfig } from '../mux-yaml.ts'
import { withProjectLock } from '../project-lock.ts'
import type { Project } from '../project.ts'
import { hostStatus, reloadKeys, type Told } from '../running-host.ts'

export interface JoinOrder {
  host: HostName
  /** Undefined, here and in `listen`: what mux.yaml says. */
  origin: string | undefined
  listen: ListenAddress | undefined
  keys: HostKeys
}

export interface JoinedHost {
  host: HostName
  origin: string
  listen: string
  /** `added`: besides those of before, which are good until they are retired. */
  keys: 'new' | 'added' | 'unchanged'
  changed: boolean
  supervisor: Told
  /** Whether mux runs as something else until it is started again. */
  restartNeeded: boolean
}

/**
 * Makes this project a host of an edge elsewhere: gives it the keys by which it knows that, and has mux.yaml say so.
 * @throws {CliError} `config_invalid`, `setting_invalid`, `host_exists`, `usage`, `key_exposed`, `key_unusable`,
 *   `supervisor_unresponsive`
 */
export async function joinHost(project: Project, order: JoinOrder): Promise<JoinedHost> {
  const { host, keys } = order
  const done = await withProjectLock(project, async () => {
    const { host: present } = await readConfig(project)
    if (present && present.name !== host) {
      throw new CliError('host_exists', `This project is the host ${present.name} already.`, {
        hint: 'A machine can be several hosts, each in a directory of its own.',
      })
    }
    const origin = order.origin ?? present?.origin
    if (origin === undefined)
      throw new CliError('usage', `mux.yaml does not say how ${host} is reached.`, {
        hint: `The command that mux host add has printed does: mux host join ${host} --origin URL`,
      })
    const listen = order.listen ?? present?.listen ?? DEFAULT_HOST_LISTEN
    const accepted = [
      await acceptKey(hostRing(project, host), keys.edge, Date.now()),
      await acceptKey(controlRing(project, host), keys.control, Date.now()),
    ]
    const isSame = present?.origin === origin && isDeepStrictEqual(present.listen, listen)
    if (!isSame) await changeHostSection(project, { name: host, origin, listen: listenText(listen) })
    return { origin, listen: listenText(listen), keys: mostOf(accepted), isSame }
  })
  const { isSame, ...rest } = done
  const changed = !isSame || done.keys !== 'unchanged'
  const supervisor = await reloadKeys(project)
  const running = await hostStatus(project)
  const restartNeeded = running !== undefined && (!isSame || running.host !== host)
  return { host, ...rest, changed, supervisor, restartNeeded }
}

function mostOf(accepted: readonly JoinedHost['keys'][]): JoinedHost['keys'] {
  return (['added', 'new'] as const).find((one) => accepted.includes(one)) ?? 'unchanged'
}
