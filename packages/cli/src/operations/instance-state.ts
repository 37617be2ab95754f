import { type InstanceName, type InstanceRecord, LOCAL_HOST, LOCAL_ORIGIN } from '@mux/contract'
import type { RegistryStore } from '@mux/edge'

/**
 * Records what the operator wants of an instance, durably and before anybody acts on it: that it serves, or that it
 * stays stopped and those who come meanwhile are told why.
 * @returns whether something else was wanted before
 */
export async function recordInstanceState(
  registry: RegistryStore,
  name: InstanceName,
  wanted: Pick<InstanceRecord, 'state' | 'message'>,
): Promise<boolean> {
  return registry.change((read) => {
    const found = read('instance', name)
    if (found?.state === wanted.state && found.message === wanted.message)
      return { changes: [], result: false }
    // Where it is, the supervisor that runs it says at its start; until then it is here.
    const record: InstanceRecord = { v: 1, host: LOCAL_HOST, origin: LOCAL_ORIGIN, ...found, ...wanted }
    return { changes: [{ kind: 'instance', name, record }], result: true }
  })
}
