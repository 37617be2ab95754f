import type { InstanceName } from '@mux/contract'
import { adopt } from './adoption.ts'
import type { Habitat } from './boot.ts'
import type { InstanceDefinition } from './definition.ts'
import type { Generation } from './generation.ts'
import { endLeftover, type Leftovers } from './leftovers.ts'
import type { LogEvent } from './log-event.ts'
import type { SlotHolder, Slots } from './slots.ts'

/** Milliseconds that what can't be taken over has to end by itself, while its instance can't serve. */
const PATIENCE = 2_500

/** What an inheritance is taken in. */
export interface Estate {
  habitat: Habitat
  slots: Slots
  /** The operator's "leave it stopped". */
  closed: (name: InstanceName) => { message: string | null } | undefined
  log: (event: LogEvent) => void
}

export interface Heir {
  instance: SlotHolder
  definition: InstanceDefinition
  /** False when it is no longer defined: then nothing is taken over. */
  wanted: boolean
  /** Told of the generation that is taken over, if one is; it has its slot. */
  adopt: (generation: Generation) => void
  /** Told when it serves, or is known not to; the rest has still to end. */
  decided: () => void
}

/**
 * Goes on with what a supervisor before this one left of an instance: one generation at most. Returns when the rest is
 * gone.
 */
export async function inherit({ records }: Leftovers, heir: Heir, estate: Estate): Promise<void> {
  const { instance, definition, wanted, decided } = heir
  const { habitat, closed, log } = estate
  const taken = wanted ? await takeOver(records, heir, estate) : undefined
  decided()
  const rest = records.filter(({ number }) => number !== taken?.number)
  const isAwaited = wanted && !taken && !closed(instance.name)
  const { stateDirectory, hurry } = habitat
  const end = { stateDirectory, definition, patience: isAwaited ? PATIENCE : Infinity, hurry, log }
  await Promise.all(rest.map((record) => endLeftover(record, end)))
}

/** An instance that the operator closed, or for which the pool has no place any more, takes nothing over. */
async function takeOver(
  records: Leftovers['records'],
  heir: Heir,
  { habitat, slots, closed, log }: Estate,
): Promise<Generation | undefined> {
  const { instance, definition } = heir
  const { name } = instance
  if (closed(name) || !slots.hasRoom) return undefined
  slots.takeFree(instance)
  const generation = await adopt(habitat, records, definition).catch((error: unknown) => {
    log({ event: 'fault', instance: name, message: String(error) })
  })
  if (!generation) {
    slots.release(instance)
    return undefined
  }
  heir.adopt(generation)
  const { number, pid } = generation
  const outdated = generation.definition !== definition
  log({ event: 'adopted', instance: name, generation: number, pid, outdated })
  return generation
}
