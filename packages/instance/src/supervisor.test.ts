import { describe, expect, it } from 'vitest'
import { define, laboratory, lives, nameOf } from './fixtures/laboratory.ts'

describe('a lazy instance', () => {
  it('is booted once by a hundred requests that come at the same time, and answers all', async () => {
    const { ask, events, status } = await laboratory([define('django1', 'serves')])
    expect(status('django1').state).toBe('stopped')
    const answers = await Promise.all(Array.from({ length: 100 }, () => ask('django1')))
    expect(new Set(answers.map(({ pid }) => pid)).size).toBe(1)
    expect(events.filter(({ event }) => event === 'started')).toHaveLength(1)
    expect(status('django1')).toMatchObject({ state: 'ready', inFlight: 0, waiting: 0 })
  })
})

describe('an overlapping restart', () => {
  it('replaces the process, and reports both pids once the old one is gone', async () => {
    const { ask, supervisor } = await laboratory([define('django1', 'serves')])
    const { pid } = await ask('django1')
    const report = await supervisor.restart(nameOf('django1'))
    expect(report).toMatchObject({ oldPid: pid, drained: 0 })
    expect(lives(pid)).toBe(false)
    expect((await ask('django1')).pid).toBe(report.newPid)
  })
})
