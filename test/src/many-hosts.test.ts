import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { deriveHostKey } from '@mux/instance'
import { parseHostName } from '@mux/contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Assertion, asserted } from './harness/assertion.ts'
import { ask, open } from './harness/client.ts'
import { echoYaml, fixtureCommand } from './harness/echo.ts'
import { LEDGER, requestLines } from './harness/layout.ts'
import { expectWhole, Load, printTally } from './harness/load.ts'
import { Project } from './harness/project.ts'
import { signIn } from './harness/sign-in.ts'
import { Site } from './harness/site.ts'
import { until } from './harness/until.ts'

/** Which instance each has, at first. Those of django keep a ledger each, those of echo one together. */
const USERS = { graham: 'django1', brian: 'django2', malcolm: 'django3', eric: 'echo1', terry: 'echo2' }
const HOSTS = { web1: ['django1', 'django2', 'echo1'], web2: ['django3', 'echo2'] }
const REQUESTS = 1_000
/** When a host that says nothing is given up, in milliseconds. */
const SILENT = 9_000

let operator: Project
let site: Site
beforeAll(async () => {
  operator = await Project.create('')
  const echo = `{ command: ${fixtureCommand()}, settings: { LEDGER: ${JSON.stringify(operator.path(LEDGER))} } }`
  const yaml = (names: string[]) =>
    echoYaml(`{ ${names.map((name) => `${name}: ${name.startsWith('echo') ? echo : '{}'}`).join(', ')} }`, {
      fixture: 'ledger.mjs',
      edge: ', behind_proxy: true',
    })
  site = await Site.start(operator, { web1: yaml(HOSTS.web1), web2: yaml(HOSTS.web2) })
  for (const [host, names] of Object.entries(HOSTS))
    for (const name of names) await operator.must(['instance', 'add', name, '--host', host])
  for (const [user, instance] of Object.entries(USERS)) await operator.addUser(user, instance)
})
afterAll(() => site?.close())

const load = (users: (keyof typeof USERS)[], keepAlive: boolean) =>
  new Load(site.worker.url, Object.fromEntries(users.map((user) => [user, USERS[user]])), {
    keepAlive,
    requests: REQUESTS,
  })
const ledgerOn = (host: string, instance: string) =>
  site.host(host).project.path('.mux/data', instance, 'ledger')

describe('one user who is moved to another host under load', () => {
  it.each([
    ['on connections that are kept', true, 'web1', 'web2'],
    ['on a connection for each request, and back', false, 'web2', 'web1'],
  ])(
    'loses nothing, gets nothing of others, and has nothing done twice: %s',
    async (title, keepAlive, from, to) => {
      const moving = load(['brian'], keepAlive)
      const others = load(['graham', 'malcolm'], keepAlive)
      try {
        await Promise.all([moving.reached(REQUESTS / 4), others.reached(REQUESTS / 4)])
        const { held } = (await operator.must(['instance', 'move', 'django2', '--host', to, '--json'])).json()
        await moving.round()
        const isThere = (instance: string) => HOSTS.web2.includes(instance)
        const moved = await moving.end(() => ledgerOn(to, 'django2'))
        const rest = await others.end((instance) => ledgerOn(isThere(instance) ? 'web2' : 'web1', instance))
        printTally(`moved ${title}`, moved, { held })
        printTally('all others meanwhile', rest)
        expectWhole(moved, REQUESTS)
        expectWhole(rest, REQUESTS)
        expect(moved.processes['django2']).toHaveLength(2)
        // What was done where it was is all in what was copied: nothing was done there afterwards.
        const [left, whole] = await Promise.all(
          [from, to].map((host) => readFile(ledgerOn(host, 'django2'), 'utf8')),
        )
        expect(left).not.toBe('')
        expect(whole!.startsWith(left!)).toBe(true)
        await operator.must(['instance', 'move', 'django2', '--purge', '--yes'])
      } finally {
        moving.kill()
        others.kill()
      }
    },
  )
})

describe('the gateway of either host', () => {
  it('takes what its edge has signed for it and for this very request, once, and nothing else', async () => {
    const edgeKey = Buffer.from(await operator.read('.mux/keys/edge.key'), 'base64')
    const keyOf = (name: string) => deriveHostKey(edgeKey, parseHostName(name)!)
    const version = JSON.parse((await site.worker.registry.get('user:eric'))!).version as number
    for (const [here, there, user, instance, elsewhere] of [
      ['web1', 'web2', 'eric', 'echo1', 'echo2'],
      ['web2', 'web1', 'terry', 'echo2', 'echo1'],
    ] as const) {
      const { origin } = site.host(here)
      const good: Assertion = {
        method: 'POST',
        target: '/pay?n=1',
        user,
        instance,
        version: version + 1,
        key: keyOf(here),
        keyid: here,
      }
      const send = async (
        headers: Record<string, string>,
        { method = good.method, target = good.target } = {},
      ) => {
        // Not as a client of the site, to whom each refusal has an id of its own.
        const answer = await open(origin, target, { method, headers })
        const said = (await answer.setEncoding('utf8').toArray()).join('')
        return [
          answer.statusCode,
          answer.statusCode === 200 ? JSON.parse(said).instance : JSON.parse(said).code,
        ]
      }
      const valid = asserted(good)
      expect(await send(valid)).toEqual([200, instance])

      const before = await requestLines(operator)
      const upgrade = {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      }
      const stolen = () => asserted({ ...good, key: keyOf(there) })
      const refused = {
        nothing: await send({}),
        'another time': await send(valid),
        'a key of nobody': await send(asserted({ ...good, key: randomBytes(32) })),
        'the key of the edge itself': await send(asserted({ ...good, key: edgeKey })),
        'the key of the other host': await send(stolen()),
        'for the other host': await send(asserted({ ...good, key: keyOf(there), keyid: there })),
        'by the name of the other host': await send(asserted({ ...good, keyid: there })),
        'by the name of the operator': await send(asserted({ ...good, keyid: `control:${here}` })),
        expired: await send(asserted({ ...good, age: 120 })),
        'not yet': await send(asserted({ ...good, age: -120 })),
        'another path': await send(asserted(good), { target: '/pay/?n=1' }),
        'another query': await send(asserted(good), { target: '/pay?n=2' }),
        'another method': await send(asserted(good), { method: 'DELETE' }),
        'another user': await send({ ...asserted(good), 'mux-user': 'graham' }),
        'another instance': await send({ ...asserted(good), 'mux-instance': 'django1' }),
        'another version': await send({ ...asserted(good), 'mux-version': `${version + 9}` }),
        'another site': await send({ ...asserted(good), 'x-forwarded-host': 'other.example' }),
        'an upgrade by a stolen key': await send(
          { ...asserted({ ...good, method: 'GET', target: '/ws', key: keyOf(there) }), ...upgrade },
          { method: 'GET', target: '/ws' },
        ),
        'an order': await send(asserted({ ...good, target: '/_mux/control' }), { target: '/_mux/control' }),
        'a command': await send(asserted({ ...good, target: '/_mux/control/command' }), {
          target: '/_mux/control/command',
        }),
      }
      for (const [title, answer] of Object.entries(refused))
        expect([title, ...answer]).toEqual([title, 403, 'assertion_invalid'])
      // Signed as it should be, for what is on the other host.
      expect(await send(asserted({ ...good, instance: elsewhere }))).toEqual([421, 'misdirected'])
      expect(await requestLines(operator)).toEqual(before)
    }
  })
})

const OUT = 'unauthenticated'

describe('somebody who is shut out, moved or signed out while KV still gives the old record', () => {
  const statusOf = async (headers: Record<string, string>) => {
    const answer = await ask(site.worker.url, '/stale', { headers, method: 'POST', body: 'x' })
    return answer.status === 200 ? answer.json().instance : answer.json().code
  }

  it.each([
    ['user disable NAME', OUT, OUT],
    ['user remove NAME --yes', OUT, OUT],
    ['user password NAME --password-stdin', OUT, OUT],
    ['user sign-out NAME', OUT, 'echo1'],
    ['user move NAME --instance echo2', 'echo2', 'echo2'],
  ])(
    'by mux %s is in no case let in by it, and what is open is closed; then it is as the command says',
    async (command, bySession, byPassword) => {
      const name = command.split(' ')[1]!.replace('-', '')
      await operator.addUser(name, 'echo1')
      const cookie = { cookie: (await signIn(site.worker.url, { username: name })).cookie }
      const password = { authorization: `Basic ${btoa(`${name}:${name}-password`)}` }
      expect([await statusOf(cookie), await statusOf(password)]).toEqual(['echo1', 'echo1'])
      const stream = await open(site.worker.url, '/linger', { headers: cookie })
      const cut = new Promise<true>((resolve) => {
        for (const end of ['error', 'end']) stream.on(end, () => resolve(true))
        stream.resume()
      })

      site.api.lag()
      try {
        await operator.must([...command.replace('NAME', name).split(' '), '--wait'], {
          input: 'quite-another-password\n',
        })
        await until('the end of what was open', () => Promise.race([cut, tick()]))
        const before = await requestLines(operator)
        for (let n = 0; n < 5; n++)
          expect([await statusOf(cookie), await statusOf(password)]).toEqual([
            'registry_stale',
            'registry_stale',
          ])
        expect(await requestLines(operator)).toEqual(before)
      } finally {
        await site.api.catchUp()
      }
      await until('the change', async () => ((await statusOf(password)) === byPassword ? true : undefined))
      expect([await statusOf(cookie), await statusOf(password)]).toEqual([bySession, byPassword])
    },
  )
})

describe('a host that is lost', () => {
  /** Asks for somebody there while others work elsewhere; says how long the slowest answer took, in milliseconds. */
  async function whileOthersWork(title: string, lose: () => void | Promise<void>, statuses: number[]) {
    const others = load(['graham', 'brian'], true)
    try {
      await others.reached(REQUESTS / 4)
      await lose()
      const waits = await Promise.all(
        Array.from({ length: 5 }, async () => {
          const began = performance.now()
          const answer = await ask(site.worker.url, '/', { user: 'terry' })
          expect(statuses).toContain(answer.status)
          return performance.now() - began
        }),
      )
      const slowest = Math.round(Math.max(...waits))
      const tally = await others.end((instance) => ledgerOn('web1', instance))
      printTally(title, tally, { slowest })
      expectWhole(tally, REQUESTS)
      return slowest
    } finally {
      others.kill()
    }
  }

  it('costs its own users a quick 502, and nobody else anything; when it is back they are served', async () => {
    const host = site.host('web2')
    const slowest = await whileOthersWork('others while a host is killed', () => host.crash(), [502, 503])
    // What tells it from one that says nothing, whatever else the machine has to do.
    expect(slowest).toBeLessThan(SILENT)
    await host.up()
    expect((await ask(site.worker.url, '/', { user: 'terry' })).json()).toMatchObject({ instance: 'echo2' })
  })

  it('without a word costs its own users a 504 in the time that docs/cloudflare.md says, and nobody else anything', async (context) => {
    const { network } = site.host('web2')
    if (network === undefined) context.skip('no network namespaces here, so no packets are dropped')
    const slowest = await whileOthersWork(
      'others while a host is silent',
      () => network!.dropPackets(),
      [504],
    )
    expect(slowest).toBeGreaterThan(3_000)
    expect(slowest).toBeLessThan(5 * SILENT)
    const { hosts } = (await operator.must(['host', 'list', '--json'])).json()
    expect(hosts).toMatchObject([
      { reachable: true },
      { reachable: false, problem: 'it does not answer in time' },
    ])
  })
})

const tick = () => new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 20))
