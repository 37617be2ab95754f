import { describe, expect, test } from 'vitest'
import { TrustedProxies, unmapped } from './trusted-proxies.ts'

const proxies = new TrustedProxies([
  { address: '127.0.0.1', prefix: 32 },
  { address: '10.1.2.3', prefix: 8 },
  { address: 'fd00::', prefix: 8 },
])

test.each([
  ['127.0.0.1', true],
  ['127.0.0.2', false],
  ['10.255.0.1', true],
  ['11.0.0.1', false],
  ['fd12::1', true],
  ['fd12::1%eth0', true],
  ['fe80::1', false],
  ['unknown', false],
])('whether the word of %s is taken: %s', (address, trusted) => {
  expect(proxies.has(address)).toBe(trusted)
})

function origin(headers: Record<string, string[]>, peer = '127.0.0.1') {
  return proxies.originOf({ peer, scheme: 'http' }, (name) => headers[name] ?? [])
}

describe('the client is the last address of the chain that is no proxy of ours', () => {
  test.each([
    ['one', ['192.0.2.7'], '192.0.2.7'],
    ['two, of which the first is anybody’s word', ['6.6.6.6, 192.0.2.7'], '192.0.2.7'],
    ['another proxy of ours behind it', ['6.6.6.6, 192.0.2.7, 10.0.0.9'], '192.0.2.7'],
    ['a chain in several lines', ['6.6.6.6', '192.0.2.7,10.0.0.9', '10.0.0.8'], '192.0.2.7'],
    ['nobody but proxies of ours', ['10.0.0.9'], '10.0.0.9'],
    ['none', [], '127.0.0.1'],
    ['nothing', [''], '127.0.0.1'],
    ['what is no address', ['192.0.2.7, unknown'], '127.0.0.1'],
    ['what is no address before a proxy of ours', ['_hidden, 10.0.0.9'], '10.0.0.9'],
    ['markup', ['<script>, 10.0.0.9'], '10.0.0.9'],
    ['an address with a port', ['192.0.2.7:4711'], '192.0.2.7'],
    ['an IPv6 address', ['2001:db8::1'], '2001:db8::1'],
    ['an IPv6 address in brackets, with a port', ['[2001:db8::1]:4711'], '2001:db8::1'],
    ['an IPv4 address in the form of IPv6', ['::ffff:192.0.2.7'], '192.0.2.7'],
    ['one in capitals', ['::FFFF:192.0.2.7'], '192.0.2.7'],
    ['one in groups', ['::ffff:c000:207'], '192.0.2.7'],
    ['one with all of its zeros', ['[0:0:0:0:0:ffff:192.0.2.7]:4711'], '192.0.2.7'],
    ['a proxy of ours in the form of IPv6 behind it', ['192.0.2.7, ::ffff:a00:9'], '192.0.2.7'],
    ['an address with a zone', ['fe80::1%eth0'], 'fe80::1'],
  ])('%s', (_title, chain, peer) => {
    expect(origin({ 'x-forwarded-for': chain }).peer).toBe(peer)
  })
})

describe('of scheme and host the nearest proxy’s word counts', () => {
  test.each([
    [[], 'http'],
    [['https'], 'https'],
    [['HTTPS'], 'https'],
    [['https, http'], 'http'],
    [['http', 'https'], 'https'],
    [['wss'], 'http'],
  ])('%j is %s', (values, scheme) => {
    expect(origin({ 'x-forwarded-proto': values }).scheme).toBe(scheme)
  })

  test.each([
    [[], undefined],
    [['notes.example:8443'], 'notes.example:8443'],
    [['evil.example, notes.example'], 'notes.example'],
    [['evil.example', 'notes.example'], 'notes.example'],
  ])('%j is %s', (values, host) => {
    expect(origin({ 'x-forwarded-host': values }).host).toBe(host)
  })
})

test('an IPv4 address that comes through a socket for both families is itself', () => {
  expect(['::ffff:192.0.2.7', '192.0.2.7', '::1'].map(unmapped)).toEqual(['192.0.2.7', '192.0.2.7', '::1'])
})
