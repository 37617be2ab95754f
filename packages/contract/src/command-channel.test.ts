import { describe, expect, it } from 'vitest'
import {
  COMMAND_MAX_HEAD,
  decodeCommand,
  encodeCommand,
  exitPayload,
  type Frame,
  FRAME_MAX,
  FrameDecoder,
  frameHead,
} from './command-channel.ts'

const bytes = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0))
const concat = (...parts: readonly Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]))

describe('a command', () => {
  it.each([
    { args: ['instance', 'logs', 'django2', '-f'], columns: 120 },
    { args: ['instance', 'set', 'django2', 'NAME=Zoë 𝛑 \u2028\n'] },
  ])('comes back as it was: %j, with what stands behind it', (command) => {
    const encoded = encodeCommand(command)
    const start = concat(encoded, bytes('stdin'))
    expect(decodeCommand(start)).toEqual({ command, stdinAt: encoded.length })
  })

  const head = (text: string) => concat(Uint8Array.of(0, 0, 0, text.length), bytes(text))
  it.each([
    ['nothing', new Uint8Array()],
    ['half a length', Uint8Array.of(0, 0)],
    ['less than its length', Uint8Array.of(0, 0, 0, 9, 123, 125)],
    ['a length that is none', concat(Uint8Array.of(255, 255, 255, 255), new Uint8Array(COMMAND_MAX_HEAD))],
    ['no JSON', head('garbage')],
    ['bytes that are no text', head('{"v":1,"args":["\u00ff"]}')],
    ['no arguments', head('{"v":1,"args":[]}')],
    ['an argument with a zero in it', head(String.raw`{"v":1,"args":["status","a\u0000"]}`)],
    ['arguments in one text', head('{"v":1,"args":"status"}')],
    ['another version', head('{"v":2,"args":["status"]}')],
    ['something more', head('{"v":1,"args":["status"],"env":{}}')],
    ['a width that is none', head('{"v":1,"args":["status"],"columns":0}')],
  ])('that is %s is refused', (_, start) => {
    expect(() => decodeCommand(start)).toThrow(expect.objectContaining({ code: 'control_request_invalid' }))
  })
})

describe('frames', () => {
  const frame = (kind: Frame['kind'], payload: Uint8Array) => concat(frameHead(kind, payload.length), payload)
  const whole = concat(
    frame('stdout', bytes('one')),
    frame('stdout', bytes('')),
    frame('stderr', bytes('two')),
    frame('exit', exitPayload(3)),
  )
  const expected = [
    { kind: 'stdout', payload: bytes('one') },
    { kind: 'stdout', payload: bytes('') },
    { kind: 'stderr', payload: bytes('two') },
    { kind: 'exit', code: 3 },
  ]

  it.each([1, 2, 3, 5, 7, 1000])('come back from pieces of %i bytes', (size) => {
    const decoder = new FrameDecoder()
    const frames: Frame[] = []
    for (let at = 0; at < whole.length; at += size) {
      expect(decoder.ended).toBe(false)
      frames.push(...decoder.push(whole.subarray(at, at + size)))
    }
    expect(frames).toEqual(expected)
    expect(decoder.ended).toBe(true)
  })

  it.each([
    ['an unknown kind', Uint8Array.of(9, 0, 0, 0, 0)],
    ['a frame of a gigabyte', Uint8Array.of(1, 64, 0, 0, 0)],
    ['one byte more than a frame can have', frameHead('stdout', FRAME_MAX + 1)],
    ['an exit without a code', frame('exit', bytes('{}'))],
    ['an exit with a code that is none', frame('exit', bytes('{"code":256}'))],
    ['anything behind the exit', concat(whole, Uint8Array.of(1))],
    ['a page of HTML', bytes('<!doctype html>')],
  ])('%s is refused', (_, garbage) => {
    expect(() => new FrameDecoder().push(garbage)).toThrow(expect.objectContaining({ code: 'internal' }))
  })
})
