import { parseUserName, type Problem } from '@mux/contract'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Identity } from './authenticate.ts'
import { chooseInstance, locate } from './find-instance.ts'
import { MemoryRegistry } from './fixtures/memory-registry.ts'

let registry: MemoryRegistry
beforeEach(() => {
  registry = new MemoryRegistry()
  registry.addUser('graham', 'django1')
  registry.addUser('eric', null)
  registry.addInstance('site', { host: 'b', origin: 'https://b.example' })
})

async function as(user: string | undefined): Promise<Identity | undefined> {
  if (user === undefined) return undefined
  const record = (await registry.read('user', user))!
  return { user: parseUserName(user)!, record, by: 'authorization', scheme: 'basic' }
}
/** `user@instance/version` of the choice; who is not told a user is `-`. */
async function choose(user: string | undefined, host = 'mux.example'): Promise<string> {
  try {
    const choice = await chooseInstance(registry, host, await as(user))
    if (choice === undefined) return 'sign in'
    return `${choice.user ?? '-'}@${choice.instance}/${choice.version}`
  } catch (error) {
    return (error as Problem).code
  }
}

describe('which instance serves whom', () => {
  const FIXED = { 'public.example': 'public', 'staff.example': 'signed-in' } as const
  beforeEach(() => {
    for (const [host, access] of Object.entries(FIXED)) registry.addRoute(host, 'site', access)
  })

  test.each([
    ['graham', 'mux.example', 'graham@django1/5'],
    ['eric', 'mux.example', 'no_instance'],
    [undefined, 'mux.example', 'sign in'],
    ['graham', 'public.example', '-@site/0'],
    [undefined, 'public.example', '-@site/0'],
    [undefined, 'PUBLIC.example.:8080', '-@site/0'],
    ['graham', 'staff.example', 'graham@site/5'],
    ['eric', 'staff.example', 'eric@site/5'],
    [undefined, 'staff.example', 'sign in'],
    ['graham', 'no host name at all', 'graham@django1/5'],
    ['graham', '*', 'graham@django1/5'],
    ['graham', '__proto__', 'graham@django1/5'],
  ])('%s at %s: %s', async (user, host, expected) => {
    expect(await choose(user, host)).toBe(expected)
  })

  test.each([
    ['public', 'graham', 'graham@django1/5'],
    ['public', 'eric', '-@site/0'],
    ['public', undefined, '-@site/0'],
    ['signed-in', 'graham', 'graham@django1/5'],
    ['signed-in', 'eric', 'eric@site/5'],
    ['signed-in', undefined, 'sign in'],
  ] as const)('with a default route that is %s, %s: %s', async (access, user, expected) => {
    registry.addRoute('*', 'site', access)
    expect(await choose(user)).toBe(expected)
    expect(await choose(user, '*')).toBe(expected)
  })
})

describe('where the instance is', () => {
  test('is in the record that was read for the user already', async () => {
    const choice = await chooseInstance(registry, 'mux.example', await as('graham'))
    registry.reads.length = 0
    expect(await locate(registry, choice!)).toEqual({ host: 'local', origin: 'local:' })
    expect(registry.reads).toEqual([])
  })

  test('is in the record of the instance for a route', async () => {
    registry.addRoute('staff.example', 'site', 'signed-in')
    const choice = await chooseInstance(registry, 'staff.example', await as('graham'))
    expect(await locate(registry, choice!)).toEqual({ host: 'b', origin: 'https://b.example' })
  })

  test('is nowhere when a route names an instance that no host has', async () => {
    registry.addRoute('*', 'nothing', 'public')
    const choice = await chooseInstance(registry, 'mux.example', undefined)
    await expect(locate(registry, choice!)).rejects.toMatchObject({ code: 'instance_undefined' })
  })
})
