import { isDeepStrictEqual } from 'node:util'
import { AdoptedProcess } from './adopted-process.ts'
import type { Habitat } from './boot.ts'
import type { InstanceDefinition } from './definition.ts'
import { Generation } from './generation.ts'
import type { GenerationRecord, Takeover } from './generation-record.ts'
import { identityOf } from './leftovers.ts'
import { holderOf } from './listeners.ts'
import { untilReady } from './probe.ts'
import { factsOf } from './proc.ts'
import { Tenancy } from './tenancy.ts'

/** Milliseconds in which what a dead supervisor left has to show that it serves, on a machine that has much else to do, too. */
const PROBE_LIMIT = 5_000

/**
 * Takes over the newest generation that serves: it was ready, it is the very process that was started (number, start
 * time and marker), and it answers its probe.
 * @param records from the oldest to the newest
 * @param present the settings that its instance has now; those of the generation may be others
 * @returns undefined when there is none; whatever is not taken over has yet to be ended
 */
export async function adopt(
  habitat: Habitat,
  records: readonly GenerationRecord[],
  present: InstanceDefinition,
): Promise<Generation | undefined> {
  for (const record of records.toReversed()) {
    const { takeover } = record
    if (takeover?.stage !== 'ready' || !(await serves(record, takeover, habitat.hurry))) continue
    if ('port' in record.address) habitat.ports.reserve(record.address.port)
    const definition = isSame(takeover.definition, present) ? present : takeover.definition
    const { stateDirectory } = habitat
    const generation = new Generation({
      definition,
      process: new AdoptedProcess(identityOf(record)),
      tenancy: new Tenancy(habitat, { ...record, takeover: { ...takeover, stateDirectory, definition } }),
      hurry: habitat.hurry,
    })
    generation.markReady()
    return generation
  }
  return undefined
}

async function serves(
  record: GenerationRecord,
  { definition }: Takeover,
  hurry: AbortSignal,
): Promise<boolean> {
  const { address } = record
  const identity = identityOf(record)
  // A listening socket takes connections even while nobody of its process can answer them.
  const isThere = () => {
    const facts = factsOf(identity.pid)
    return facts !== undefined && facts.startTime === identity.startTime && !facts.isStopped
  }
  if (!isThere()) return false
  const limit = AbortSignal.any([hurry, AbortSignal.timeout(PROBE_LIMIT)])
  const { ready } = await untilReady(address, definition.health, limit)
  if (!ready) return false
  const isStrange = (await holderOf(address, identity)) === 'stranger'
  return !isStrange && isThere()
}

/** Compared as text would be, since that is what a record is made of. */
function isSame(recorded: InstanceDefinition, present: InstanceDefinition): boolean {
  return isDeepStrictEqual(recorded, JSON.parse(JSON.stringify(present)))
}
