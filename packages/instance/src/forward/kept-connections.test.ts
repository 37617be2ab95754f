import { parseUserName } from '@mux/contract'
import { expect, it, onTestFinished } from 'vitest'
import { startRawPeer } from './fixtures/front.ts'
import { KeptConnections } from './kept-connections.ts'

const GRAHAM = parseUserName('graham')!
const BRIAN = parseUserName('brian')!
const answerOf = (text: string) => `HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`

/** An instance that answers the nth request on a connection so. */
async function start(answer: (target: string, nth: number) => string) {
  const peer = await startRawPeer((socket, received) => {
    const requests = received.split('GET ')
    if (received.endsWith('\r\n\r\n'))
      socket.write(answer(requests.at(-1)!.split(' ')[0]!, requests.length - 1))
  })
  const connections = new KeptConnections(peer.address)
  onTestFinished(() => connections.destroy())
  const ask = async (user: typeof GRAHAM | undefined, path: string) => {
    const { body } = await connections.of(user).request({ path, method: 'GET' })
    return body.text()
  }
  return { peer, connections, ask }
}

it('a connection is used again for the same user, and for no other', async () => {
  const { peer, ask } = await start(answerOf)
  for (const user of [GRAHAM, BRIAN, GRAHAM, undefined, BRIAN, undefined])
    expect(await ask(user, '/a')).toBe('/a')
  expect(peer.received.map((received) => received.split('GET').length - 1)).toEqual([2, 2, 2])
})

it('an answer that is held back until somebody asks again is nobody else’s', async () => {
  const { ask } = await start((target, nth) => (nth === 1 ? '' : answerOf('/private')) + answerOf(target))
  expect(await ask(GRAHAM, '/private')).toBe('/private')
  expect(await ask(BRIAN, '/mine')).toBe('/mine')
})

it('what is kept for a user is forgotten soon after their last request, and no request is lost by that', async () => {
  const { peer, connections, ask } = await start(answerOf)
  const before = connections.of(GRAHAM)
  await ask(GRAHAM, '/a')
  expect(connections.of(GRAHAM)).toBe(before)
  await expect.poll(() => peer.sockets[0]!.destroyed).toBe(true)
  await expect.poll(() => connections.of(GRAHAM) === before).toBe(false)
  expect(await ask(GRAHAM, '/b')).toBe('/b')
})

it('a connection is not used, and ends, where it cannot be seen who listens at its other end', async () => {
  const peer = await startRawPeer(() => {})
  const blind = new KeptConnections(peer.address, () => Promise.reject(new Error('no descriptor is left')))
  onTestFinished(() => blind.destroy())
  const asked = blind.of(GRAHAM).request({ path: '/a', method: 'GET' })
  await expect(asked).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  await expect.poll(() => peer.sockets.map(({ destroyed }) => destroyed)).toEqual([true])
  expect(peer.received.join('')).toBe('')
})

it('once all are ended nothing is asked any more, of whomever', async () => {
  const { peer, connections, ask } = await start(answerOf)
  await ask(GRAHAM, '/a')
  await connections.destroy()
  await expect(ask(GRAHAM, '/b')).rejects.toThrow(/destroyed/)
  await expect(ask(BRIAN, '/c')).rejects.toThrow(/destroyed/)
  expect(peer.received).toHaveLength(1)
})
