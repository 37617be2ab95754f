import type { InstanceStatus } from '@mux/contract'
import { describe, expect, it } from 'vitest'
import { concernOf, describeStatus } from './describe-status.ts'
import { instanceName } from './names.ts'

const NOW = Date.parse('2026-11-22T12:00:00Z')
const before = (seconds: number) => new Date(NOW - seconds * 1000).toISOString()

function status(changes: Partial<InstanceStatus> = {}): InstanceStatus {
  return {
    name: instanceName('a'),
    state: 'ready',
    generation: { number: 3, pid: 77, since: before(90), address: 'http://127.0.0.1:1', outdated: false },
    inFlight: 0,
    waiting: 0,
    crashes: 0,
    lastExit: null,
    nextTry: null,
    reason: null,
    lastActivity: null,
    lastActivityBy: null,
    idleStop: null,
    ...changes,
  }
}

const crashed = (seconds: number) => ({ code: 9, signal: null, by: 'crash' as const, at: before(seconds) })
const outdated = { ...status().generation!, outdated: true }

describe('what an operator has to see to', () => {
  it.each<[string, Partial<InstanceStatus>, string | undefined, string?]>([
    ['nothing, when it serves', {}, undefined],
    ['nothing, when nobody needs it', { state: 'stopped', generation: null }, undefined],
    ['nothing, when mux ended it', { lastExit: { ...crashed(5), by: 'us' } }, undefined],
    ['nothing, when a crash is long ago', { crashes: 1, lastExit: crashed(601) }, undefined],
    [
      'a crash of these minutes',
      { crashes: 2, lastExit: crashed(60) },
      '! It crashed 2 times, last 60s ago: code 9.',
      'mux instance logs a',
    ],
    [
      'that it waits after a crash',
      { state: 'starting', reason: 'It was ended by SIGSEGV.', nextTry: before(-4), generation: null },
      '! It was ended by SIGSEGV. The next try is in 4s.',
      'mux instance logs a',
    ],
    [
      'nothing, when it waits for its turn to start',
      { state: 'starting', reason: 'It waits.', generation: null },
      undefined,
    ],
    [
      'that it does not start',
      { state: 'failed', reason: 'It exited with code 3 before it was ready.', generation: null },
      '! It exited with code 3 before it was ready.',
      'mux instance logs a',
    ],
    [
      'that a change was not taken',
      { state: 'degraded', reason: 'The last restart failed.', generation: outdated },
      '! The last restart failed. What ran before serves on.',
      'mux instance rollback a',
    ],
    [
      'that a restart failed, with nothing to take back',
      { state: 'degraded', reason: 'The last restart failed.' },
      '! The last restart failed. What ran before serves on.',
      'mux instance restart a',
    ],
    [
      'what is left of it',
      { state: 'stopped', generation: null, reason: 'These processes do not end: 5.' },
      '! These processes do not end: 5.',
      'mux instance logs a',
    ],
    [
      'settings that have not been taken yet',
      { generation: outdated },
      '- It runs with settings that have changed since.',
      'mux instance restart a',
    ],
    [
      'that it is kept stopped',
      { state: 'disabled', reason: 'Back at noon.' },
      '- Kept stopped. Back at noon.',
      'mux instance start a',
    ],
  ])('%s', (_, changes, what, next) => {
    const concern = concernOf(status(changes), NOW)
    expect(concern && `${concern.grave ? '!' : '-'} ${concern.what}`).toBe(what)
    expect(concern?.next).toBe(next)
  })
})

it('what is known of one instance stands in labels and values, moments by how far they are', () => {
  expect(
    describeStatus(
      status({
        inFlight: 1,
        lastActivity: before(3_700),
        lastActivityBy: 'socket',
        idleStop: before(-600),
        crashes: 1,
        lastExit: { code: null, signal: 'SIGKILL', by: 'us', at: before(200_000) },
      }),
      NOW,
    ),
  ).toEqual([
    ['process', '77, generation 3, http://127.0.0.1:1'],
    ['since', '90s ago (11:58:30Z)'],
    ['active', '1 request or open socket'],
    ['held', '0 requests'],
    ['last activity', '61m ago (10:58:20Z), a WebSocket'],
    ['idle stop', 'in 10m (12:10:00Z), if nobody uses it until then'],
    ['crashes', '1'],
    ['last exit', 'SIGKILL, ended by mux, 2d ago (2026-11-20 04:26Z)'],
  ])
})
