import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { describe, expect, it, onTestFinished } from 'vitest'
import { closedGate, define, laboratory, nameOf } from './fixtures/laboratory.ts'
import { rawClient, serveFront } from './forward/fixtures/front.ts'
import { type Address } from './lease.ts'
import { inodesOn } from './listeners.ts'

const NAME = 'django2'
const GET = 'GET /private HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
const CHUNKED =
  'POST /private HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n'
const UPGRADE =
  'GET /private HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n'

/** An instance that runs and has lost its address, at which this process listens and would answer any probe. */
async function withStranger(kind: 'port' | 'socket', probe: number | null) {
  const settings: Record<string, string> = kind === 'port' ? { REUSE_PORT: '1' } : { SOCKET: '{socket}' }
  const lab = await laboratory([define(NAME, 'serves', { health: '/', probe, settings })])
  const front = await serveFront(lab.supervisor)
  // On a connection that is kept, the instance itself would go on being asked.
  const { pid } = await lab.ask(NAME, '/last')
  const address = await addressOf()
  // A socket can be had while its instance still listens. So can a port here, or somebody else might get it in between.
  const gate = closedGate()
  if ('port' in address) await lab.ask(NAME, `/leave-port?after=${gate.path}`)
  else rmSync(address.socketPath)
  const seen: string[] = []
  const stranger = createServer((request, response) => {
    if (request.headers['user-agent'] !== 'mux-probe') seen.push(request.url!)
    response.end('stolen')
  })
  stranger.on('upgrade', (request, socket) => {
    seen.push(request.url!)
    socket.destroy()
  })
  stranger.listen(
    'port' in address
      ? { port: address.port, host: '127.0.0.1', reusePort: true }
      : { path: address.socketPath },
  )
  await once(stranger, 'listening')
  gate.open()
  if ('port' in address) await expect.poll(() => inodesOn(address.port)).toHaveLength(1)
  onTestFinished(() => {
    stranger.closeAllConnections()
    stranger.close()
  })
  return { lab, front, pid, seen }

  async function addressOf(): Promise<Address> {
    const options = { signal: new AbortController().signal, navigation: false }
    const lease = await lab.supervisor.claim(nameOf(NAME), options)
    lease.release()
    return lease.address
  }
}

describe.skipIf(process.platform !== 'linux').each(['port', 'socket'] as const)(
  'a %s that another process has taken',
  (kind) => {
    it('is sent nothing that was meant for the instance, by whatever way', async () => {
      const { front, seen } = await withStranger(kind, null)
      for (const request of [GET, CHUNKED, UPGRADE]) {
        expect(await rawClient(front.port, request).closed()).toMatch(/^HTTP\/1.1 502/)
      }
      expect(front.problems).toEqual(Array(3).fill('instance_unreachable'))
      expect(seen).toEqual([])
    })

    it('does not pass for the instance by answering its probe: another generation takes over', async () => {
      const { lab, pid, seen } = await withStranger(kind, 100)
      await expect.poll(() => lab.status(NAME).generation?.pid).not.toBe(pid)
      expect((await lab.ask(NAME)).pid).not.toBe(pid)
      expect(seen).toEqual([])
    })
  },
)
