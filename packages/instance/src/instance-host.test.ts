import { Agent, request as openRequest } from 'node:http'
import { expect, it, onTestFinished } from 'vitest'
import { define, laboratory, nameOf } from './fixtures/laboratory.ts'
import { eventually, get, rawClient, serveFront } from './forward/fixtures/front.ts'

const django2 = nameOf('django2')

function post(port: number, agent: Agent): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const call = openRequest(
      { port, host: '127.0.0.1', method: 'POST', path: '/slow?ms=5', agent },
      (answer) => {
        let text = ''
        answer.setEncoding('utf8').on('data', (chunk) => (text += chunk))
        answer.on('end', () => resolve({ status: answer.statusCode!, text }))
        answer.on('error', reject)
      },
    )
    call.on('error', reject)
    call.end('x'.repeat(2_000))
  })
}

it('a request to a stopped instance is held until it has booted, and answered by its process', async () => {
  const { supervisor, status } = await laboratory([define('django2', 'serves')])
  const front = await serveFront(supervisor)
  const answers = await Promise.all(Array.from({ length: 50 }, () => get(front.port)))
  const { pid } = status('django2').generation!
  for (const answer of answers) expect(answer).toContain(`{"pid":${pid},`)
  expect(status('django2').inFlight).toBe(0)
})

it.each(['overlap', 'replace'] as const)('restarting (%s) under load loses no request', async (restart) => {
  const { supervisor } = await laboratory([define('django2', 'serves', { restart })])
  const front = await serveFront(supervisor)
  const agent = new Agent({ keepAlive: true, maxSockets: 16 })
  onTestFinished(() => agent.destroy())
  const restarted = new AbortController()
  const pids = new Set<string>()
  const worker = async (): Promise<void> => {
    while (!restarted.signal.aborted) {
      const { status, text } = await post(front.port, agent)
      expect(status).toBe(200)
      pids.add(/"pid":(\d+)/.exec(text)![1]!)
    }
  }
  const workers = Array.from({ length: 16 }, worker)
  for (let round = 0; round < 3; round++) await supervisor.restart(django2)
  restarted.abort()
  await Promise.all(workers)
  expect(pids.size).toBeGreaterThanOrEqual(3)
  expect(front.problems).toEqual([])
})

it('a WebSocket lives through the drain of its generation, is told 1012 at its end, and holds nothing after', async () => {
  const { supervisor, status } = await laboratory([
    define('django2', 'holds-websockets', { limits: { drain: 300 } }),
  ])
  const front = await serveFront(supervisor)
  const client = rawClient(
    front.port,
    'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
  )
  await client.until(/hi$/)
  expect(status('django2').inFlight).toBe(1)
  const restarting = supervisor.restart(django2)
  expect((await client.closed()).endsWith('hi\x88\x02\x03\xf4')).toBe(true)
  client.socket.end()
  await restarting
  await eventually(
    () => front.open === 0 && status('django2').inFlight === 0,
    () => 'left open',
  )
  expect(await get(front.port)).toMatch(/plain$/)
})

it('a request whose instance dies under it is 502, and the next one is served', async () => {
  const { supervisor } = await laboratory([define('django2', 'serves')])
  const front = await serveFront(supervisor)
  await get(front.port)
  expect(await get(front.port, '/exit')).toMatch(/^HTTP\/1.1 502/)
  expect(await get(front.port)).toMatch(/^HTTP\/1.1 200/)
})
