import { expect, it } from 'vitest'
import { parseInstanceName } from '@mux/contract'
import { describeEvent } from './describe-event.ts'

const django1 = parseInstanceName('django1')!

it.each([
  [{ event: 'state', from: 'ready', to: 'draining' }, 'ready, then draining'],
  [{ event: 'crashed', pid: 5, by: 'crash', code: 3 }, 'process 5 crashed: code 3'],
  [{ event: 'ended', pid: 5, by: 'crash', signal: 'SIGSEGV' }, 'process 5 is gone: SIGSEGV, crashed'],
  [
    { event: 'crashed', pid: 5, by: 'crash', signal: 'SIGKILL', out_of_memory: true },
    'process 5 crashed: SIGKILL, out of memory',
  ],
  [
    { event: 'memory_exceeded', pid: 5, bytes: 540_000_000, limit: 2 ** 29 },
    'process 5 and what it started take 515 MiB, more than limits.memory (512 MiB): another comes in its place',
  ],
  [{ event: 'ended', pid: 5, by: 'us', code: 0 }, 'process 5 is gone: code 0, ended by mux'],
  [
    { event: 'ended', pid: 5, by: 'us', signal: 'SIGKILL', killed: true, survivors: '7 8' },
    'process 5 is gone: SIGKILL, killed by mux, because it did not stop in time; these processes do not end: 7 8',
  ],
  [{ event: 'ended', pid: 5, by: 'us' }, 'process 5 is gone: nobody knows how it ended, ended by mux'],
  [
    {
      event: 'hung',
      pid: 5,
      reason: 'It stopped answering: GET /ping was not answered, three times in a row.',
    },
    'process 5 hangs. It stopped answering: GET /ping was not answered, three times in a row.',
  ],
  [
    { event: 'degraded', reason: 'The last restart failed: It exited with code 4 before it was ready.' },
    'what ran before serves on. The last restart failed: It exited with code 4 before it was ready.',
  ],
  [{ event: 'log_failed', code: 'ENOSPC' }, 'its log cannot be written (ENOSPC)'],
  [{ event: 'news', a: 1, b: 'two' }, 'news, a 1, b two'],
])('%j is told in words', (event, words) => {
  expect(describeEvent({ time: '2026-11-22T10:00:00.000Z', instance: django1, ...event })).toBe(words)
})
