import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, it } from 'vitest'
import { BootQueue } from './boot-queue.ts'
import type { Habitat } from './boot.ts'
import type { Generation } from './generation.ts'
import { Lineage } from './lineage.ts'

it('names the processes that do not end until they have, whatever has ended since', async () => {
  const lineage = new Lineage({
    habitat: {} as Habitat,
    boots: new BootQueue(1),
    event: () => {},
    crashed: () => {},
  })
  const retire = (survivors: number[]) =>
    lineage.retire({
      drain: async () => 0,
      end: async () => ({ killed: true, survivors }),
    } as Partial<Generation> as Generation)
  const stuck = spawn('sleep', ['60'])
  await once(stuck, 'spawn')
  await retire([stuck.pid!])
  await retire([])
  expect(lineage.survivors).toEqual([stuck.pid])
  stuck.kill('SIGKILL')
  await once(stuck, 'exit')
  expect(lineage.survivors).toEqual([])
})
