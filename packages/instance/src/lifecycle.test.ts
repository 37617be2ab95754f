import { describe, expect, it } from 'vitest'
import { type LifecycleEvent, move, type Phase } from './lifecycle.ts'

const PHASES: Phase[] = ['stopped', 'starting', 'ready', 'draining', 'failed']
const EVENTS: LifecycleEvent[] = [
  'boot',
  'proved',
  'adopted',
  'swapped',
  'leave',
  'gone',
  'crashed',
  'gave-up',
]

const LEGAL: [Phase, LifecycleEvent, Phase][] = [
  ['stopped', 'boot', 'starting'],
  ['stopped', 'adopted', 'ready'],
  ['starting', 'proved', 'ready'],
  ['starting', 'crashed', 'starting'],
  ['starting', 'gave-up', 'failed'],
  ['starting', 'leave', 'draining'],
  ['ready', 'swapped', 'ready'],
  ['ready', 'crashed', 'starting'],
  ['ready', 'gave-up', 'failed'],
  ['ready', 'leave', 'draining'],
  ['draining', 'gone', 'stopped'],
  ['failed', 'boot', 'starting'],
  ['failed', 'leave', 'draining'],
]

describe('an instance that is', () => {
  it.each(LEGAL)('%s and takes "%s" is then %s', (phase, event, next) => {
    expect(move(phase, event)).toBe(next)
  })

  const illegal = PHASES.flatMap((phase) =>
    EVENTS.filter((event) => !LEGAL.some(([from, by]) => from === phase && by === event)).map(
      (event) => [phase, event] as const,
    ),
  )
  it.each(illegal)('%s never takes "%s"', (phase, event) => {
    expect(() => move(phase, event)).toThrow(/cannot take/)
  })
})
