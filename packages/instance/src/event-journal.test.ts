import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { eventLine } from './event-journal.ts'
import { define, laboratory, nameOf } from './fixtures/laboratory.ts'

const NOW = new Date('2026-11-22T10:00:00.000Z')

it.each([
  [
    'its fields in order',
    { event: 'ready', instance: 'a', pid: 4, took: 1.5 },
    '{"time":"2026-11-22T10:00:00.000Z","event":"ready","instance":"a","pid":4,"took":1.5}\n',
  ],
  [
    'nothing of what has no value',
    { event: 'x', reason: null, signal: undefined },
    '{"time":"2026-11-22T10:00:00.000Z","event":"x"}\n',
  ],
  [
    'controls as escapes',
    { event: 'x', reason: 'a\n\u001b[2J\u009b\u202e' },
    '{"time":"2026-11-22T10:00:00.000Z","event":"x","reason":"a\\n\\u001b[2J\\u009b\\u202e"}\n',
  ],
])('an event is one line with %s', (_, event, line) => {
  expect(eventLine(event, NOW)).toBe(line)
})

it('a line is never longer than 2 kB, and always JSON', () => {
  const many = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`f${n}`, '\u0000'.repeat(1_000_000)]))
  for (const event of [
    { event: 'x', ...many },
    { event: 'x', reason: 'x'.repeat(1_000_000) },
  ]) {
    const line = eventLine(event, NOW)
    expect(line.length).toBeLessThanOrEqual(2_001)
    expect(JSON.parse(line)).toMatchObject({ event: 'x' })
  }
})

describe('the events of an instance', () => {
  it('tell of each boot, state, restart and end, in order, and who ended it', async () => {
    const { supervisor, ask, stateDirectory } = await laboratory([define('django1', 'serves')])
    const path = join(stateDirectory, 'logs', 'events.jsonl')
    const events = () =>
      readFileSync(path, 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>)
    await ask('django1')
    await supervisor.restart(nameOf('django1'))
    await ask('django1', '/exit?code=3').catch(() => {})
    await expect.poll(() => events().map(({ event }) => event)).toContain('crashed')
    await ask('django1')
    await supervisor.stop(nameOf('django1'))
    const told = events().map(({ time, event, ...fields }) => {
      expect(time).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/)
      expect(fields['instance']).toBe('django1')
      const { generation, from, to, by, code, signal } = fields
      return [event, generation, from, to, by, code || signal].filter(Boolean).join(' ')
    })
    expect(told).toEqual([
      'state stopped starting',
      'started 1',
      'ready 1',
      'state starting ready',
      'started 2',
      'ready 2',
      'ended 1 us',
      'restarted',
      'crashed 2 crash 3',
      'state ready starting',
      'ended 2 crash 3',
      'started 3',
      'ready 3',
      'state starting ready',
      'state ready draining',
      'ended 3 us',
      'state draining stopped',
    ])
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })
})
