import type { InstanceName, InstanceRecord } from '@mux/contract'
import type { RegistryStore } from '@mux/edge'
import type { ProjectConfig } from '../mux-yaml.ts'
import { localInstance } from './define-instance.ts'

/**
 * Records what the operator wants of an instance, durably and before anybody acts on it: that it serves, or that it
 * stays stopped and those who come meanwhile are told why.
 * @param host as which this machine serves
 * @returns whether something else was wanted before
 */
export async function recordInstanceState(
  registry: RegistryStore,
  name: InstanceName,
  wanted: Pick<InstanceRecord, 'state' | 'message'>,
  host: ProjectConfig['host'],
): Promise<boolean> {
  return registry.change((read) => {
    const found = read('instance', name)
    if (found?.state === wanted.state && found.message === wanted.message)
      return { changes: [], result: false }
    // Where it is, the supervisor that runs it says at its start; until then it is here.
    const record: InstanceRecord = { ...localInstance({ host }), ...found, ...wanted }
    return { changes: [{ kind: 'instance', name, record }], result: true }
  })
}
