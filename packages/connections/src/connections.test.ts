import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { Connections } from './connections.ts'

it('answers all who wait to be accepted when the server closes, nobody before it takes no more, and refuses the next', async () => {
  const server = createServer()
  const connections = new Connections(server)
  const listening: boolean[] = []
  server.on('request', (_incoming, outgoing) => {
    connections.answers(outgoing, () => {
      listening.push(server.listening)
      outgoing.end('ok')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const clients = Array.from({ length: 50 }, () => {
    const client = connect(port, '127.0.0.1')
    client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    return text(client)
  })
  await turn()
  // The kernel does the rest of a connection, while this process accepts nobody.
  const mark = `:${port.toString(16).toUpperCase().padStart(4, '0')} `
  const ends = () => readFileSync('/proc/net/tcp', 'latin1').split(mark).length - 1
  const end = performance.now() + 60_000
  while (process.platform === 'linux' && ends() < 1 + 2 * 50 && performance.now() < end);
  const closed = connections.close(60_000)
  for (const answer of await Promise.all(clients))
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n.*Connection: close\r\n.*ok$/s)
  expect(listening).toEqual(Array(50).fill(false))
  await closed
  await expect(once(connect(port, '127.0.0.1'), 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
})
