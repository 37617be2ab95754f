import { expect, it } from 'vitest'
import { unreachedFromCloudflare } from './reach-from-cloudflare.ts'

const reached = (origin: string, ...addresses: string[]) =>
  unreachedFromCloudflare(origin, () => Promise.resolve(addresses))

it.each([
  ['https://web1.example.com', ['203.0.113.7']],
  ['https://web1.example.com:8443', ['10.0.0.5', '203.0.113.7']],
  ['https://web1.example.com', []],
  ['https://web1.example.com', ['2001:db8::7']],
])('a Worker may reach %s, which is at %j', async (origin, addresses) => {
  expect(await reached(origin, ...addresses)).toBeUndefined()
})

it.each([
  ['http://127.0.0.1:9090', [], /^http:\/\/127\.0\.0\.1:9090 is a bare address/],
  ['https://203.0.113.7', [], /is a bare address/],
  ['https://[2001:db8::7]:8443', [], /is a bare address/],
  ['http://localhost:9090', [], /^localhost is a name of this machine/],
  ['https://web1', [], /^web1 is a name of this machine/],
  ['https://web1.local', [], /is a name of this machine/],
  ['https://web1.corp.internal', [], /is a name of this machine/],
  ['https://web1.example.com', ['10.0.0.5'], /^web1\.example\.com leads to 10\.0\.0\.5 here/],
  ['https://web1.example.com', ['fd00::5', '192.168.1.5'], /leads to fd00::5 here/],
  ['https://web1.example.com', ['::1'], /leads to ::1 here/],
])(
  'no Worker reaches %s, which is at %j, and the operator learns what to do',
  async (origin, addresses, why) => {
    const problem = await reached(origin, ...addresses)
    expect(problem).toMatch(why)
    expect(problem).toContain('a tunnel or a TLS front, or a VPC binding')
  },
)
