import { describe, expect, it } from 'vitest'
import * as values from './config-values.ts'

describe('a duration', () => {
  it.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['1.5h', 5_400_000],
    ['0s', 0],
    ['24d', 24 * 86_400_000],
    ['25d', undefined],
    ['30', undefined],
    ['-1s', undefined],
    ['1e3s', undefined],
    ['30 s', undefined],
    ['NaN', undefined],
    ['', undefined],
  ])('%j is %s ms', (text, expected) => expect(values.parseDuration(text)).toBe(expected))
})

describe('the origin of a host', () => {
  it.each([
    ['https://Web1.Example.com', 'https://web1.example.com'],
    ['https://web1.example.com/', 'https://web1.example.com'],
    ['https://web1.example.com:443', 'https://web1.example.com'],
    ['http://127.0.0.1:9090', 'http://127.0.0.1:9090'],
    ['http://[::1]:9090', 'http://[::1]:9090'],
    ['vpc:WEB1', 'vpc:WEB1'],
    ['vpc:', undefined],
    ['vpc:WEB-1', undefined],
    ['local:', undefined],
    ['web1.example.com', undefined],
    ['ftp://web1.example.com', undefined],
    ['https://web1.example.com/mux', undefined],
    ['https://web1.example.com?', undefined],
    ['https://web1.example.com/#', undefined],
    ['https://brian@web1.example.com', undefined],
    ['https://web1 .example.com', undefined],
    ['https:\\\\web1.example.com', undefined],
    ['https://', undefined],
    ['file:///etc/passwd', undefined],
    ['http://169.254.169.254', undefined],
    ['http://2852039166/', undefined],
    ['http://0xA9.0xFE.43518', undefined],
    ['http://[::ffff:169.254.169.254]', undefined],
    ['http://[fe80::1]:9090', undefined],
    ['http://[fd00:ec2::254]', undefined],
    ['http://Metadata.Google.Internal.', undefined],
    ['http://0.0.0.0:9090', undefined],
    ['http://[::]:9090', undefined],
    ['http://169.253.1.1', 'http://169.253.1.1'],
    ['https://metadata.example.com', 'https://metadata.example.com'],
    ['', undefined],
  ])('%j is %s', (text, expected) => expect(values.parseOrigin(text)).toBe(expected))
})

describe('a size', () => {
  it.each([
    ['512MiB', 536_870_912],
    ['1.5GiB', 1_610_612_736],
    ['0MiB', undefined],
    ['512', undefined],
    ['512MB', undefined],
    ['-1GiB', undefined],
  ])('%j is %s bytes', (text, expected) => expect(values.parseSize(text)).toBe(expected))
})

describe('an address to listen on', () => {
  it.each([
    ['127.0.0.1:8080', { host: '127.0.0.1', port: 8080 }],
    ['localhost:0', { host: 'localhost', port: 0 }],
    ['[::1]:65535', { host: '::1', port: 65_535 }],
    ['127.0.0.1:65536', undefined],
    ['127.0.0.1:-1', undefined],
    ['127.0.0.1', undefined],
    ['8080', undefined],
    ['::1:80', undefined],
    ['http://a:80', undefined],
  ])('%j is %j', (text, expected) => expect(values.parseListen(text)).toEqual(expected))
})

describe('a network', () => {
  it.each([
    ['127.0.0.1', { address: '127.0.0.1', prefix: 32 }],
    ['10.1.2.3/8', { address: '10.1.2.3', prefix: 8 }],
    ['::1', { address: '::1', prefix: 128 }],
    ['fd00::/8', { address: 'fd00::', prefix: 8 }],
    ['0.0.0.0/0', undefined],
    ['::/0', undefined],
    ['10.0.0.0/33', undefined],
    ['fd00::/129', undefined],
    ['10.0.0', undefined],
    ['10.0.0.256', undefined],
    ['localhost', undefined],
    ['10.0.0.0/8/8', undefined],
    ['', undefined],
  ])('%j is %j', (text, expected) => expect(values.parseNetwork(text)).toEqual(expected))
})

describe('the identity header', () => {
  it.each(['X-Remote-User', 'Remote-User', 'X-WEBAUTH-USER'])('may be %s', (name) =>
    expect(values.parseIdentityHeader(name)).toBe(name),
  )
  it.each([
    'Mux-User',
    'mux-instance',
    'Host',
    'cookie',
    'X_Remote_User',
    'X-Forwarded-For',
    'Content-Length',
    'a b',
    '',
    'A:',
  ])('cannot be %j', (name) => expect(values.parseIdentityHeader(name)).toBeUndefined())
})

it('the name of a pool ends with its number', () => {
  expect(values.parsePoolName('django{n}')).toBe('django{n}')
})

it.each(['django', '{n}', 'a{n}b', 'a{n}{n}', 'A{n}', '', 'a-{m}', `${'a'.repeat(63)}{n}`])(
  'the name of a pool cannot be %j',
  (name) => expect(values.parsePoolName(name)).toBeUndefined(),
)

it('a health path is what can stand in a request line', () => {
  expect(values.parseHealthPath('/ping?deep=1')).toBe('/ping?deep=1')
})

it.each(['ping', '', '/a b', '/a#b', 'http://a/', '/\n'])('a health path cannot be %j', (path) =>
  expect(values.parseHealthPath(path)).toBeUndefined(),
)
