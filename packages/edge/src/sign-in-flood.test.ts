import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { parseUserName } from '@mux/contract'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { basic, startEdge, type EdgeUnderTest } from './fixtures/edge-under-test.ts'
import { PASSWORD } from './fixtures/memory-registry.ts'
import { browse } from './fixtures/raw-client.ts'
import { verifyPassword } from './passwords.ts'
import { createToken } from './tokens.ts'

let under: EdgeUnderTest
beforeEach(async () => {
  under = await startEdge()
  under.registry.addUser('graham', 'django1')
})
afterEach(() => under.edge.close(0))

/** Fills the queue for hashing, and tells what has become of those in it. */
function flood(attempts = 200) {
  const outcomes = { served: 0, turnedAway: 0 }
  let isWanted = true
  const all = Array.from({ length: attempts }, () =>
    verifyPassword('wrong', null, () => isWanted).then(
      () => (outcomes.served += 1),
      () => (outcomes.turnedAway += 1),
    ),
  )
  const end = async () => {
    isWanted = false
    await Promise.all(all)
  }
  return { outcomes, end }
}

async function statusOf(headers: Record<string, string>): Promise<number> {
  return (await fetch(under.url, { headers })).status
}

describe('while more sign-ins come than can be hashed', () => {
  test('who is signed in, or has a token, is not among those who wait', async () => {
    const { id, sha256, token } = createToken()
    const user = parseUserName('graham')!
    under.registry.set('token', id, { v: 1, user, sha256, expires: null, label: null, used: null })
    const authorization = basic('graham', PASSWORD)
    expect(await statusOf({ authorization })).toBe(200)
    const form = { username: 'graham', password: PASSWORD }
    const signedIn = await browse(`${under.url}/_mux/signin`, { form })
    const cookie = signedIn.headers['set-cookie']![0]!.split(';')[0]!

    const { outcomes, end } = flood()
    expect(await statusOf({ authorization })).toBe(200)
    expect(await statusOf({ cookie })).toBe(200)
    expect(await statusOf({ authorization: `Bearer ${token}` })).toBe(200)
    const { turnedAway } = outcomes
    await end()
    // Whoever waits in the queue is answered after all who came before them; but some of these were waiting still.
    expect(outcomes.turnedAway).toBeGreaterThan(turnedAway)
  })

  test('who is turned away is told so in the words of the page, and for how long', async () => {
    const names = Array.from({ length: 20 }, (_, at) => `user${at}`)
    for (const name of names) under.registry.addUser(name, null)
    const { end } = flood()
    // There is a place for each hash that ends meanwhile, but not for all of these.
    const answers = await Promise.all(
      names.map((username) =>
        browse(`${under.url}/_mux/signin`, { form: { username, password: 'wrong' } }).finally(
          () => void end(),
        ),
      ),
    )
    const refused = answers.find(({ status }) => status === 429)!
    expect(refused.text).toContain('Too many attempts to sign in.')
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
  })

  test.each([
    ['closed its connection', (socket: Socket) => socket.end()],
    ['reset its connection', (socket: Socket) => socket.resetAndDestroy()],
  ])('who has %s is not hashed, and so has not failed', async (_how, leave) => {
    const { end } = flood(40)
    const sockets = Array.from({ length: 10 }, (_, at) => {
      const socket = connect(under.port, '127.0.0.1')
      socket.write(`GET / HTTP/1.1\r\nHost: x\r\nAuthorization: ${basic('graham', `wrong${at}`)}\r\n\r\n`)
      return socket
    })
    await expect.poll(() => under.registry.reads.length).toBe(sockets.length)
    const closed = sockets.map((socket) => once(socket, 'close'))
    for (const socket of sockets) leave(socket)
    await Promise.all(closed)
    await end()
    // Behind all of them.
    await verifyPassword('wrong', null)
    expect(await statusOf({ authorization: basic('graham', PASSWORD) })).toBe(200)
  })
})
