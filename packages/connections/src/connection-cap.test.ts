import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { capConnections } from './connection-cap.ts'

const ANSWER = 'HTTP/1.1 503 Full\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'
const GET = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'

/** A server that takes two connections, how often it said that it is full, and how many it serves and holds. */
async function start() {
  let full = 0
  let requests = 0
  const server = createServer((_, response) => {
    requests++
    response.end('served')
  })
  capConnections(server, { most: 2, answer: () => ANSWER, full: () => full++ })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const open = (bytes: string): Socket => {
    const socket = connect({ port: (server.address() as AddressInfo).port, allowHalfOpen: true })
    onTestFinished(() => {
      socket.destroy()
    })
    socket.on('error', () => {})
    socket.write(bytes)
    return socket
  }
  const held = () => new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)))
  return { open, held, said: () => ({ full, requests }) }
}

async function received(socket: Socket): Promise<string> {
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  return text
}

it('one connection too many is told so, whatever it asks, and is not served', async () => {
  const { open, held, said } = await start()
  const first = [open('GET'), open('GET')]
  for (const socket of first) await once(socket, 'connect')
  await expect.poll(held).toBe(2)
  for (let n = 0; n < 5; n++) expect(await received(open(GET))).toBe(ANSWER)
  expect(said()).toEqual({ full: 1, requests: 0 })
  first[0]!.destroy()
  await expect.poll(() => received(open(GET))).toMatch(/served$/)
})

it('connections that never take what they are told are closed within a second or so', async () => {
  const { open, held } = await start()
  const sockets = Array.from({ length: 20 }, () => open('GET'))
  await expect.poll(held).toBe(20)
  await expect.poll(held).toBe(2)
  expect(sockets.every(({ destroyed }) => destroyed)).toBe(false)
})

it('where a thousand are too many at once, most are closed unheard, and none of those that were there', async () => {
  const { open, held } = await start()
  const first = [open('GET'), open('GET')]
  await expect.poll(held).toBe(2)
  const others = Array.from({ length: 1_000 }, () => open(GET))
  const answers = await Promise.all(others.map((socket) => received(socket).catch(() => '')))
  const told = answers.filter((answer) => answer === ANSWER)
  expect(told.length).toBeGreaterThan(0)
  expect(answers.filter((answer) => answer !== '')).toEqual(told)
  await expect.poll(held).toBe(2)
  expect(first.map(({ readableEnded }) => readableEnded)).toEqual([false, false])
})
