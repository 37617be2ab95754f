import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type HostRecord, parseHostName, PROOF_HEADER } from '@mux/contract'
import { createDecisionSigner } from '@mux/edge'
import { expect, it, onTestFinished } from 'vitest'
import { checkHosts } from './check-hosts.ts'

const EDGE_KEY = Buffer.alloc(32, 1)
const proofOf = (name: string) => createDecisionSigner(EDGE_KEY, Date.now).proofOf(parseHostName(name)!)

it.each([
  ['proves itself', () => proofOf('web1'), undefined],
  ['proves itself as another host', () => proofOf('web2'), /does not prove .*update it first$/],
  ['says what a gateway says, and proves nothing', () => undefined, /does not prove/],
])('what %s is a gateway, or is named', async (_what, proof, expected) => {
  const server = createServer((_incoming, outgoing) => {
    const shown = proof()
    if (shown !== undefined) outgoing.setHeader(PROOF_HEADER, shown)
    outgoing.writeHead(421).end('{"code":"misdirected"}')
  }).listen(0, '127.0.0.1')
  onTestFinished(() => server.close().closeAllConnections())
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const record: HostRecord = { v: 1, origin, control: null, state: 'open' }
  const [check] = await checkHosts({ host: new Map([['web1', record]]), instance: new Map() }, EDGE_KEY)
  if (expected === undefined) expect(check!.problem).toBeUndefined()
  else expect(check!.problem).toMatch(expected)
})
