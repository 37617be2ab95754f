import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type HostRecord, parseHostName, parseSignature, PROOF_HEADER } from '@mux/contract'
import { createDecisionSigner } from '@mux/edge'
import { expect, it, onTestFinished } from 'vitest'
import { checkHosts } from './check-hosts.ts'

const EDGE_KEY = Buffer.alloc(32, 1)
/** As the host of that name proves itself to who asks: for the minute in which that was signed. */
function proofOf(name: string, { headers }: IncomingMessage): string {
  const { parameters } = parseSignature(String(headers['signature-input']), String(headers['signature']))!
  return createDecisionSigner(EDGE_KEY, () => parameters.created * 1000).proofOf(parseHostName(name)!)
}

it.each([
  ['proves itself', (asked: IncomingMessage) => proofOf('web1', asked), undefined],
  [
    'proves itself as another host',
    (asked: IncomingMessage) => proofOf('web2', asked),
    /does not prove .*update it first$/,
  ],
  ['says what a gateway says, and proves nothing', () => undefined, /does not prove/],
])('what %s is a gateway, or is named', async (_what, proof, expected) => {
  const server = createServer((incoming, outgoing) => {
    const shown = proof(incoming)
    if (shown !== undefined) outgoing.setHeader(PROOF_HEADER, shown)
    outgoing.writeHead(421).end('{"code":"misdirected"}')
  }).listen(0, '127.0.0.1')
  onTestFinished(() => server.close().closeAllConnections())
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const record: HostRecord = { v: 1, origin, control: null, state: 'open' }
  const [check] = await checkHosts({ host: new Map([['web1', record]]), instance: new Map() }, EDGE_KEY, true)
  if (expected === undefined) expect(check!.problem).toBeUndefined()
  else expect(check!.problem).toMatch(expected)
})
