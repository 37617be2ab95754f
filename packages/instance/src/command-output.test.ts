import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { type Frame, FRAME_INTERVAL, FrameDecoder } from '@mux/contract'
import { expect, it, onTestFinished, vi } from 'vitest'
import { CommandOutput } from './command-output.ts'

/** An answer that is read at once. */
function answer() {
  const frames: Frame[] = []
  const decoder = new FrameDecoder()
  const outgoing = Object.assign(new EventEmitter(), {
    destroyed: false,
    writableEnded: false,
    writeHead: () => {},
    flushHeaders: () => {},
    write: (piece: Uint8Array) => {
      frames.push(...decoder.push(Uint8Array.from(piece)))
      return true
    },
    end: () => {
      outgoing.writableEnded = true
    },
  })
  return { outgoing, frames, response: outgoing as unknown as ServerResponse }
}

it('a command that says nothing shows that it is alive, until it has ended', () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const { outgoing, frames, response } = answer()
  const output = new CommandOutput(response)
  for (let minute = 0; minute < 60_000; minute += FRAME_INTERVAL) {
    const before = frames.length
    vi.advanceTimersByTime(FRAME_INTERVAL)
    expect(frames.length).toBeGreaterThan(before)
  }
  expect(frames.every((frame) => frame.kind === 'stdout' && frame.payload.length === 0)).toBe(true)
  output.end(0)
  const all = frames.length
  vi.advanceTimersByTime(60_000)
  outgoing.emit('close')
  expect(frames).toHaveLength(all)
  expect(frames.at(-1)).toEqual({ kind: 'exit', code: 0 })
  expect(vi.getTimerCount()).toBe(0)
})

it('one that speaks is alive by that', async () => {
  const { frames, response } = answer()
  await new CommandOutput(response).pass('stderr', Readable.from([Buffer.from('one'), Buffer.from('two')]))
  expect(frames.map((frame) => frame.kind)).toEqual(['stderr', 'stderr'])
})
