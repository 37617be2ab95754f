import { expect, it } from 'vitest'
import { contentDigest, controlComponents, controlKeyId, parseContentDigest } from './control-signature.ts'
import { parseHostName } from './names.ts'

const HOST = parseHostName('east')!
const SHA256 = `${'A'.repeat(43)}=`

it('a control signature covers method, path, query, the host that it is for, and the body by its digest', () => {
  const digest = contentDigest(SHA256)
  expect(
    controlComponents({ method: 'POST', path: '/_mux/control', query: '?', host: HOST, digest }),
  ).toEqual([
    ['@method', 'POST'],
    ['@path', '/_mux/control'],
    ['@query', '?'],
    ['mux-host', 'east'],
    ['content-digest', `sha-256=:${SHA256}:`],
  ])
})

it('the key of an operator has an id that is the name of no host', () => {
  expect(parseHostName(controlKeyId(HOST))).toBeUndefined()
})

it.each([
  '',
  SHA256,
  `sha-512=:${SHA256}:`,
  `sha-256=:${SHA256}:, sha-512=:${SHA256}:`,
  `sha-256=:${SHA256}:;a=1`,
  `sha-256=:${'A'.repeat(42)}:`,
  ` sha-256=:${SHA256}:`,
])('a digest that is written as %j is none', (value) => {
  expect(parseContentDigest(value)).toBeUndefined()
})
