import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createFleet, type Fleet } from '../../fixtures/fleet.ts'
import { TWO_INSTANCES } from '../../fixtures/mux.ts'
import { visit } from '../../fixtures/visit.ts'
import { projectAt } from '../../project.ts'
import { withRegistry } from '../../registry.ts'

let fleet: Fleet
beforeAll(async () => {
  fleet = await createFleet(['web1', 'web2'], TWO_INSTANCES, 'web1')
})
afterAll(() => fleet.remove())

const mux = (...args: string[]) => fleet.operator.mux(...args)
const record = () =>
  withRegistry(projectAt(fleet.operator.directory), (registry) => registry.read('user', 'brian'))
const asBrian = async () => {
  const now = (await record())!
  return visit(fleet.operator.directory, 'brian', () => now)
}
const stateOn = async (host: string) =>
  (await fleet.hosts.get(host)!.project.status()).instances.find(({ name }) => name === 'a')?.state

it('an instance of the operator’s own machine moves to another one, stays stopped here, and comes back', async () => {
  const here = fleet.operator.directory
  expect(await mux('user', 'add', 'brian', '--instance', 'a', '--generate')).toMatchObject({ code: 0 })
  expect(await asBrian()).toMatchObject({ status: 200, host: 'web1' })
  await mkdir(join(here, '.mux/data/a'), { recursive: true })
  await fleet.operator.write('.mux/data/a/notes.txt', 'of brian')
  const before = (await record())!

  expect(await mux('instance', 'move', 'a', '--host', 'web2')).toMatchObject({ code: 0 })
  expect(await asBrian()).toMatchObject({ status: 200, host: 'web2', answer: { instance: 'a' } })
  expect(await visit(here, 'brian', () => before)).toMatchObject({ status: 503 })
  expect(await fleet.hosts.get('web2')!.project.read('.mux/data/a/notes.txt')).toBe('of brian')
  expect(await stateOn('web1')).toBe('disabled')
  expect((await mux('status')).stdout).toMatch(
    /^a has moved away from web1, which keeps what it left: .* --purge$/m,
  )
  // What mux.yaml still has of it takes nobody back, also when mux is started anew.
  const { up } = fleet.hosts.get('web1')!
  up.child.kill('SIGTERM')
  await up.ended
  await fleet.up('web1')
  expect(await stateOn('web1')).toBe('disabled')
  expect(await asBrian()).toMatchObject({ status: 200, host: 'web2' })

  expect(await mux('instance', 'move', 'a', '--purge', '--yes')).toMatchObject({ code: 0 })
  expect(await fleet.operator.read('mux.yaml')).not.toContain('a: {}')
  expect(existsSync(join(here, '.mux/data/a'))).toBe(false)
  expect(await asBrian()).toMatchObject({ status: 200, host: 'web2' })

  expect(await mux('instance', 'move', 'a', '--host', 'web1')).toMatchObject({ code: 0 })
  expect(await asBrian()).toMatchObject({ status: 200, host: 'web1' })
  expect(await fleet.operator.read('.mux/data/a/notes.txt')).toBe('of brian')
  expect(await stateOn('web2')).toBe('disabled')
})

it('one that does not start here serves on where it was, and nothing of it is left here', async () => {
  await mux('instance', 'move', 'a', '--purge', '--yes')
  await mux('instance', 'move', 'a', '--host', 'web2')
  await mux('instance', 'move', 'a', '--purge', '--yes')
  const yaml = await fleet.operator.read('mux.yaml')
  await fleet.operator.write('mux.yaml', yaml.replace('settings: {', 'settings: { BROKEN: no disk,'))
  const failed = await mux('instance', 'move', 'a', '--host', 'web1')
  expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining('a stays on web2.') })
  expect(await asBrian()).toMatchObject({ status: 200, host: 'web2' })
  expect(await fleet.operator.read('mux.yaml')).not.toContain('a: {}')
  expect(existsSync(join(fleet.operator.directory, '.mux/data/a'))).toBe(false)
  expect((await mux('instance', 'list')).stdout).toMatch(/^a +web2 +brian/m)
})
