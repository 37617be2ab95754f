import { afterAll, beforeAll, expect, it } from 'vitest'
import type { UserRecord } from '@mux/contract'
import { createFleet, type Fleet } from '../../fixtures/fleet.ts'
import { runMux } from '../../fixtures/run-mux.ts'
import { visit } from '../../fixtures/visit.ts'
import { projectAt } from '../../project.ts'
import { withRegistry } from '../../registry.ts'

const OFTEN = { interval: 50 }

let fleet: Fleet
beforeAll(async () => {
  fleet = await createFleet(['web1', 'web2'])
  expect(await mux('instance add one --host web1')).toMatchObject({ code: 0 })
  for (const user of ['brian', 'graham'])
    expect(await mux(`user add ${user} --instance one --password-stdin`, 'a long password')).toMatchObject({
      code: 0,
      stderr: '',
    })
})
afterAll(() => fleet.remove())

const mux = (args: string, input = '') =>
  runMux(args.split(' '), { cwd: fleet.operator.directory, input, env: { NO_COLOR: '1' } })
const recordOf = (user: string) =>
  withRegistry(projectAt(fleet.operator.directory), (registry) => registry.read('user', user))
const asSeen = (user: string, record: UserRecord) => visit(fleet.operator.directory, user, () => record)

it.each(['disable', 'enable', 'sign-out', 'password --generate', 'move --instance one', 'remove --yes'])(
  'mux user %s has every host refuse at once what an edge still believes, and nobody else',
  async (verb) => {
    const before = (await recordOf('brian'))!
    const [name, ...flags] = verb.split(' ')
    // A move to where they are changes nothing; to another one, it does.
    if (name === 'move') flags[1] = before.instance === 'one' ? 'two' : 'one'
    if (flags[1] === 'two') await mux('instance add two --host web1')
    expect(await asSeen('brian', before)).toMatchObject({ status: 200 })
    const told = await mux(`user ${name} brian ${flags.join(' ')} --wait --json`.replace('  ', ' '))
    expect(told).toMatchObject({ code: 0 })
    expect(told.json()).toMatchObject({
      told: [
        { host: 'web1', problem: null },
        { host: 'web2', problem: null },
      ],
    })
    expect(await asSeen('brian', before)).toMatchObject({ status: 503, answer: { code: 'misdirected' } })
    const after = await recordOf('brian')
    if (after) expect(await asSeen('brian', after)).toMatchObject({ status: 200 })
    expect(await asSeen('graham', (await recordOf('graham'))!)).toMatchObject({ status: 200 })
  },
)

it('a host that is gone is named; with --wait the command returns when it is back and knows', async () => {
  const before = (await recordOf('graham'))!
  const { up } = fleet.hosts.get('web2')!
  up.child.kill('SIGTERM')
  await up.ended
  expect(await mux('user sign-out graham')).toMatchObject({
    code: 0,
    stdout: 'Signed graham out everywhere.\n',
    stderr: 'The host web2 was not told: nothing listens there.\n',
  })
  const waiting = fleet.operator.start({}, 'user', 'disable', 'graham', '--wait')
  // The others know while that one is waited for.
  const byNow = (await recordOf('graham'))!
  await expect.poll(async () => (await recordOf('graham'))!.version, OFTEN).toBeGreaterThan(byNow.version)
  await expect.poll(async () => (await asSeen('graham', byNow)).status, OFTEN).toBe(503)
  expect(await asSeen('graham', before)).toMatchObject({ status: 503 })
  expect(waiting.child.exitCode).toBe(null)
  await fleet.up('web2')
  expect(await waiting.ended).toMatchObject({ code: 0, stdout: 'Disabled graham.\n', stderr: '' })
})
