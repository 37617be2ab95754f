import type { Problem } from '@mux/contract'
import { describe, expect, test } from 'vitest'
import { MethodNotAllowed, originForm, refuseUnsafe } from './request-check.ts'

function check(request: {
  method?: string
  httpVersion?: string
  target?: string
  headers?: string[]
  upgrade?: boolean
}): string {
  const rawHeaders = request.headers ?? ['Host', 'mux.example']
  try {
    refuseUnsafe({
      method: request.method ?? 'GET',
      httpVersion: request.httpVersion ?? '1.1',
      target: request.target ?? '/',
      rawHeaders,
      upgrade: request.upgrade ?? false,
      header: (name) =>
        rawHeaders.find((_value, at) => at % 2 === 1 && rawHeaders[at - 1]!.toLowerCase() === name),
    })
    return 'taken'
  } catch (error) {
    return (error as Problem).code
  }
}

describe('a request is forwarded only when there is one way to read it', () => {
  test.each([
    ['a plain one', {}],
    ['odd but printable targets', { target: '//evil/x/..;a/%2e%2e/%00%zz?a=%zz;b#f\\' }],
    ['a host name with a port', { headers: ['host', 'mux.example:8080'] }],
    ['a host name in capitals, with an underscore', { headers: ['Host', 'Mux_1.Example:80'] }],
    ['an IPv6 host', { headers: ['Host', '[::1]:8080'] }],
    ['a length', { method: 'POST', headers: ['Host', 'a', 'Content-Length', '3'] }],
    ['chunks', { method: 'POST', headers: ['Host', 'a', 'Transfer-Encoding', 'Chunked'] }],
    ['a WebSocket', { upgrade: true, headers: ['Host', 'a', 'Upgrade', 'WebSocket'] }],
    ['methods nobody has heard of', { method: 'PROPFIND' }],
    ['HTTP/1.0', { httpVersion: '1.0' }],
    ['a target of 16 KiB', { target: `/${'a'.repeat(16_383)}` }],
  ])('%s is taken', (_title, request) => {
    expect(check(request)).toBe('taken')
  })

  test.each([
    ['no Host', { headers: [] }],
    ['HTTP/0.9', { httpVersion: '0.9' }],
    ['HTTP/2.0 as if it were text', { httpVersion: '2.0' }],
    ['chunks in HTTP/1.0', { httpVersion: '1.0', headers: ['Host', 'a', 'Transfer-Encoding', 'chunked'] }],
    [
      'a WebSocket in HTTP/1.0',
      { httpVersion: '1.0', upgrade: true, headers: ['Host', 'a', 'Upgrade', 'websocket'] },
    ],
    ['two Hosts', { headers: ['Host', 'a', 'host', 'a'] }],
    ['an empty Host', { headers: ['Host', ''] }],
    ['a Host with user information', { headers: ['Host', 'a@b'] }],
    ['a Host with a path', { headers: ['Host', 'a/b'] }],
    ['a Host with a port that there is none of', { headers: ['Host', 'a:65536'] }],
    ['a Host with a broken IPv6 address', { headers: ['Host', '[1:::2]'] }],
    ['a Host that is a number too large for an address', { headers: ['Host', '1.2.3.256'] }],
    ['a Host with a space', { headers: ['Host', 'a b'] }],
    ['a target in absolute form for another host', { target: 'http://evil/x' }],
    ['the asterisk', { method: 'OPTIONS', target: '*' }],
    ['a control byte in the target', { target: '/a\u0000' }],
    ['a byte above ASCII in the target', { target: '/\u00fc' }],
    ['two lengths', { method: 'POST', headers: ['Host', 'a', 'Content-Length', '3', 'Content-Length', '3'] }],
    [
      'a length and chunks',
      { method: 'POST', headers: ['Host', 'a', 'Content-Length', '3', 'Transfer-Encoding', 'chunked'] },
    ],
    ['another encoding', { method: 'POST', headers: ['Host', 'a', 'Transfer-Encoding', 'gzip, chunked'] }],
    ['an upgrade to h2c', { upgrade: true, headers: ['Host', 'a', 'Upgrade', 'h2c'] }],
    ['an upgrade to one of two', { upgrade: true, headers: ['Host', 'a', 'Upgrade', 'h2c, websocket'] }],
    ['an upgrade by POST', { method: 'POST', upgrade: true, headers: ['Host', 'a', 'Upgrade', 'websocket'] }],
  ])('%s is refused', (_title, request) => {
    expect(check(request)).toBe('bad_request')
  })

  test('a target over 16 KiB is too long', () => {
    expect(check({ target: `/${'a'.repeat(16_384)}` })).toBe('target_too_long')
  })

  test.each(['TRACE', 'CONNECT', 'TRACK'])('%s is not allowed, and the answer can say what is', (method) => {
    expect(check({ method })).toBe('method_not_allowed')
    expect(new MethodNotAllowed('GET').allow).toBe('GET')
  })
})

describe('a target in absolute form', () => {
  test.each([
    ['http://mux.example/a?b', 'mux.example', '/a?b'],
    ['HTTPS://MUX.example', 'mux.example', '/'],
    ['http://mux.example:80/a', 'mux.example', 'http://mux.example:80/a'],
    ['http://evil/a', 'mux.example', 'http://evil/a'],
    ['http://mux.example@evil/a', 'mux.example', 'http://mux.example@evil/a'],
    ['http://mux.example/a', undefined, 'http://mux.example/a'],
    ['/a', 'mux.example', '/a'],
    ['*', 'mux.example', '*'],
  ])('%s to %s is read as %s', (target, host, expected) => {
    expect(originForm(target, host)).toBe(expected)
  })
})
