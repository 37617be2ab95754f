import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { parseUserName } from '@mux/contract'
import { expect, it } from 'vitest'
import { temporaryDirectory } from './fixtures/run-mux.ts'
import { openHostMemory } from './host-memory.ts'

const BRIAN = parseUserName('brian')!
const GRAHAM = parseUserName('graham')!

it('the least version of a user that is good is known across restarts, and never goes back', () => {
  const file = join(temporaryDirectory(), 'known.sqlite')
  const memory = openHostMemory(file)
  expect(memory.floorOf(BRIAN)).toBeUndefined()
  expect(memory.raise([{ name: BRIAN, version: 5 }])).toHaveLength(1)
  expect(memory.raise([{ name: BRIAN, version: 4 }])).toEqual([])
  expect(
    memory.raise([
      { name: BRIAN, version: 5 },
      { name: GRAHAM, version: 2 },
      { name: GRAHAM, version: 1 },
    ]),
  ).toHaveLength(2)
  memory.close()
  expect(statSync(file).mode & 0o777).toBe(0o600)
  const next = openHostMemory(file)
  expect([next.floorOf(BRIAN), next.floorOf(GRAHAM)]).toEqual([5, 2])
  next.close()
})

it('a nonce is good once, also after a restart, and is forgotten when it cannot come again', () => {
  const file = join(temporaryDirectory(), 'known.sqlite')
  const memory = openHostMemory(file)
  expect(memory.takeNonce('a', 100, 10)).toBe(true)
  expect(memory.takeNonce('a', 100, 10)).toBe(false)
  memory.close()
  const next = openHostMemory(file)
  next.nonces.note(
    [
      { nonce: 'of an edge', until: 90 },
      { nonce: 'a', until: 100 },
    ],
    50,
  )
  expect(next.nonces.spent()).toEqual([
    { nonce: 'of an edge', until: 90 },
    { nonce: 'a', until: 100 },
  ])
  next.nonces.note([], 95)
  expect(next.nonces.spent()).toEqual([{ nonce: 'a', until: 100 }])
  expect(next.takeNonce('a', 100, 100)).toBe(false)
  expect(next.takeNonce('a', 200, 101)).toBe(true)
  next.close()
})

it('a file that is damaged, or of a later mux, is refused and left as it is', () => {
  const directory = temporaryDirectory()
  const damaged = join(directory, 'damaged.sqlite')
  writeFileSync(damaged, 'garbage '.repeat(1000))
  expect(() => openHostMemory(damaged)).toThrow(expect.objectContaining({ code: 'registry_unavailable' }))
  const later = join(directory, 'later.sqlite')
  const database = new DatabaseSync(later)
  database.exec('PRAGMA user_version = 9')
  database.close()
  expect(() => openHostMemory(later)).toThrow(expect.objectContaining({ code: 'registry_newer' }))
})
