import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createFleet, type Fleet } from '../../fixtures/fleet.ts'
import { runMux } from '../../fixtures/run-mux.ts'
import { projectAt } from '../../project.ts'
import { withRegistry } from '../../registry.ts'

const OFTEN = { interval: 50 }

let fleet: Fleet
beforeAll(async () => {
  fleet = await createFleet(['web1', 'web2'])
})
afterAll(() => fleet.remove())

const mux = (args: string, input = '') =>
  runMux(args.split(' '), { cwd: fleet.operator.directory, input, env: { NO_COLOR: '1' } })
const record = (name: string) =>
  withRegistry(projectAt(fleet.operator.directory), (registry) => registry.read('instance', name))
const yamlOf = (host: string) => fleet.hosts.get(host)!.project.read('mux.yaml')

describe('an instance on another host', () => {
  it('is added there with its settings and secrets, which are nowhere else', async () => {
    const added = await mux('instance add one --host web2 --set COLOR=red --secret KEY', 's3cr3t-value\n')
    expect(added).toMatchObject({ code: 0, stdout: 'Added one on web2.\n' })
    expect(await yamlOf('web2')).toContain('COLOR: red')
    expect(await fleet.hosts.get('web2')!.project.read('.mux/secrets/one.KEY')).toBe('s3cr3t-value\n')
    const { origin } = fleet.hosts.get('web2')!
    expect(await record('one')).toEqual({ v: 1, host: 'web2', origin, state: 'open', message: null })
    expect(await mux('instance add one --set COLOR=red --host web1')).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('mux instance move one --host web1'),
    })
    expect((await mux('instance add two --host web9')).stderr).toContain('There are: web1, web2.')
  })

  it('that the host has in its mux.yaml is known from then on, and is nobody new', async () => {
    const there = fleet.hosts.get('web2')!.project
    const before = await there.read('mux.yaml')
    await there.write('mux.yaml', before.replace('one:', 'old: { settings: { COLOR: grey } }\n  one:'))
    await mux('host drain web1')
    const taken = await mux('user add olga --instance old --create --password-stdin', 'a long password')
    expect(taken).toMatchObject({ code: 4, stderr: expect.stringContaining('instance add old --host web2') })
    expect(await record('old')).toBeUndefined()
    await mux('host open web1')
    expect((await mux('instance add old --host web2 --set COLOR=red')).stderr).toContain('[instance_exists]')
    expect(await mux('instance add old --host web2')).toMatchObject({ code: 0 })
    expect(await record('old')).toMatchObject({ host: 'web2' })
    expect(await yamlOf('web2')).toContain('COLOR: grey')
    await mux('instance remove old --yes')
  })

  it('is started, set, shown, restarted and stopped there, without being told where', async () => {
    expect(await mux('instance start one')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^one is ready: process \d+\.\n$/),
    })
    const set = await mux(
      'instance set one COLOR=blue --secret KEY --secret OTHER --json',
      '{"KEY":"a\\nb","OTHER":"c"}',
    )
    expect(set.json()).toMatchObject({ instance: 'one', restarted: { instance: 'one' } })
    const shown = await mux('instance show one')
    expect(shown.stdout).toMatch(/^host +web2$/m)
    expect(shown.stdout).toMatch(/^COLOR +blue +one$/m)
    expect(shown.stdout).toMatch(/^KEY +\(secret\) +one$/m)
    expect(await mux('instance restart one --json')).toMatchObject({ code: 0 })
    expect(await mux('instance unset one OTHER')).toMatchObject({ code: 0 })
    const failed = await mux('instance set one BROKEN=disk')
    expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining('cannot start: disk') })
    expect(await mux('instance stop one --message noon')).toMatchObject({ code: 0 })
    expect(await record('one')).toMatchObject({ state: 'maintenance', message: 'noon' })
    expect((await mux('instance restart one --json')).json()).toMatchObject({
      error: { code: 'instance_disabled' },
    })
    expect(await mux('instance start one')).toMatchObject({ code: 0 })
    expect(await record('one')).toMatchObject({ state: 'open', message: null })
  })

  it('has its log followed from here until Ctrl-C, and nothing is left there', async () => {
    const follow = fleet.operator.start({}, 'instance', 'logs', 'one', '--follow', '--lines', '5')
    await expect.poll(() => follow.said.stdout, OFTEN).toContain('cannot start: disk')
    follow.child.kill('SIGINT')
    expect((await follow.ended).code).toBe(0)
  })

  it('is listed, and told of by mux status, with its host and its users', async () => {
    await mux('instance add two --host web1')
    expect(await mux('user add brian --instance one --password-stdin', 'a long password')).toMatchObject({
      code: 0,
    })
    const list = await mux('instance list')
    expect(list.stdout).toMatch(/^INSTANCE +HOST +USERS +ROUTES +OWN SETTINGS +STATE$/m)
    expect(list.stdout).toMatch(/^one +web2 +brian +- +- +ready$/m)
    expect(list.stdout).toMatch(/^two +web1 +- +- +- +stopped$/m)
    const status = await mux('status')
    expect(status).toMatchObject({ code: 0, stderr: '' })
    expect(status.stdout).toMatch(/^web1 +open +0 of 4 +1 +\d+[sm] +-$/m)
    expect(status.stdout).toMatch(/^one +web2 +ready +\d+ +\d+[sm] +0 +0 +- +- +brian$/m)
    const one = await mux('status one')
    expect(one.stdout).toMatch(/^host +web2$/m)
    expect(one.stdout).toMatch(/^users +brian$/m)
    expect((await mux('status --json')).json()).toMatchObject({
      hosts: [
        { name: 'web1', reachable: true },
        { name: 'web2', instances: 1 },
      ],
      instances: [
        { name: 'two', host: 'web1' },
        { name: 'one', host: 'web2', users: ['brian'] },
      ],
    })
  })

  it('several are restarted host after host', async () => {
    const all = await mux('instance restart --all --json')
    expect(all.json()).toMatchObject({ instances: [{ instance: 'one', outcome: 'restarted' }] })
    const both = await mux('instance restart two one')
    expect(both).toMatchObject({ code: 0 })
    expect(both.stdout).toMatch(/^two was not running, [^]*^one has a new process/m)
  })

  it('leaves as a tar, and is filled from one', async () => {
    await mux('instance stop two')
    await fleet.hosts.get('web1')!.project.write('.mux/data/two/a.txt', 'of two')
    await mux('instance stop one')
    const exported = await mux('instance export two')
    expect(exported).toMatchObject({ code: 0, stderr: '' })
    expect(await mux('instance import one', exported.stdout)).toMatchObject({ code: 0 })
    expect(await fleet.hosts.get('web2')!.project.read('.mux/data/one/a.txt')).toBe('of two')
  })

  it('takes users whom nobody has named an instance for, and new ones where the edge is elsewhere', async () => {
    // Nobody's so far, here or there.
    const free = await mux('user add carol --password-stdin', 'a long password')
    expect(free).toMatchObject({ code: 0, stdout: 'Added carol on two.\n' })
    await mux('host drain web2')
    expect((await mux('instance add three --host web2')).stderr).toContain('[host_draining]')
    await mux('host open web2')
  })

  it('is used as long as users or routes lead to it, and is then removed there and here', async () => {
    expect(await mux('instance remove one --yes')).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('user brian'),
    })
    expect(await mux('user remove brian --with-instance --yes')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^Removed brian\.\nEnded and removed one; its data are in \S+\/one\.\n$/),
    })
    expect(await yamlOf('web2')).not.toContain('one:')
    expect(await record('one')).toBe(undefined)
    await mux('user move carol --instance three --create')
    expect(await mux('instance remove two --purge --yes')).toMatchObject({ code: 0, stderr: '' })
  })

  it('of a host that is gone is a row with the reason, and a command for it ends with 5', async () => {
    await mux('instance add four --host web2')
    const { up } = fleet.hosts.get('web2')!
    up.child.kill('SIGTERM')
    await up.ended
    const status = await mux('status')
    expect(status).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^web2 +open +- +2 +- +unreachable: nothing listens there$/m),
    })
    // Who is without an instance now is what an operator asks first.
    expect(status.stdout).toMatch(/^NOT KNOWN +HOST +USERS\nfour +web2 +-\nthree +web2 +carol$/m)
    expect(await mux('instance restart four')).toMatchObject({
      code: 5,
      stderr: expect.stringContaining('[host_unreachable]'),
    })
    expect(await mux('instance add five --host web2')).toMatchObject({ code: 5 })
    expect(await record('five')).toBe(undefined)
  })
})
