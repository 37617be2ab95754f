import { describe, expect, it } from 'vitest'
import { inheritedSocket } from './inherited-socket.ts'

const PID = 4711
const OURS = { LISTEN_PID: '4711' }

describe('the socket that this process was started with', () => {
  it.each([
    ['is none without LISTEN_PID', { LISTEN_FDS: '1' }, undefined],
    ['is none when it was meant for another process', { LISTEN_PID: '4712', LISTEN_FDS: '1' }, undefined],
    ['is none when there are no sockets', { ...OURS, LISTEN_FDS: '0' }, undefined],
    ['is the only one, whatever its name', { ...OURS, LISTEN_FDS: '1', LISTEN_FDNAMES: 'x.socket' }, 3],
    ['is the only one, without a name', { ...OURS, LISTEN_FDS: '1' }, 3],
    ['is the one of two that is named so', { ...OURS, LISTEN_FDS: '2', LISTEN_FDNAMES: 'admin:edge' }, 4],
  ])('%s', (_, environment, expected) => {
    expect(inheritedSocket(environment, PID)).toBe(expected)
  })

  it.each([
    ['there is no number', {}],
    ['the number is none', { LISTEN_FDS: '1x' }],
    ['two have no names', { LISTEN_FDS: '2' }],
    ['two have the name', { LISTEN_FDS: '2', LISTEN_FDNAMES: 'edge:edge' }],
    ['the name is that of one too many', { LISTEN_FDS: '2', LISTEN_FDNAMES: 'a:b:edge' }],
  ])('cannot be told when %s', (_, environment) => {
    expect(() => inheritedSocket({ ...OURS, ...environment }, PID)).toThrow(
      expect.objectContaining({ code: 'socket_unusable' }),
    )
  })
})
