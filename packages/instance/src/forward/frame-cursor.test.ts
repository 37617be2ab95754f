import { describe, expect, it } from 'vitest'
import { FrameCursor } from './frame-cursor.ts'

const bytes = (length: number) => Array.from<number>({ length }).fill(7)
const FRAMES: [string, number[]][] = [
  ['empty', [0x81, 0]],
  ['short', [0x81, 5, ...bytes(5)]],
  ['with a length of two bytes', [0x82, 126, 1, 0, ...bytes(256)]],
  ['with a length of eight bytes', [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0, ...bytes(65_536)]],
  ['masked', [0x81, 0x83, 1, 2, 3, 4, ...bytes(3)]],
  ['masked, with a length of two bytes', [0x81, 0xfe, 0, 200, 1, 2, 3, 4, ...bytes(200)]],
]

describe('the cursor', () => {
  it.each(FRAMES)('stops behind a frame that is %s, and nowhere before', (_, frame) => {
    const cursor = new FrameCursor()
    expect(cursor.between).toBe(true)
    const chunk = Uint8Array.from([...frame, 0x88, 0])
    expect(cursor.advance(chunk, 0)).toBe(frame.length)
    expect(cursor.between).toBe(true)
  })

  it.each(FRAMES)('finds the end of a frame that is %s and comes byte by byte', (_, frame) => {
    const cursor = new FrameCursor()
    const ends = frame.filter((byte) => {
      expect(cursor.advance(Uint8Array.of(byte), 0)).toBe(1)
      return cursor.between
    })
    expect(ends).toHaveLength(1)
    expect(cursor.between).toBe(true)
  })

  it('takes in an empty chunk without moving', () => {
    const cursor = new FrameCursor()
    cursor.advance(Uint8Array.of(0x81), 0)
    expect(cursor.advance(new Uint8Array(), 0)).toBe(0)
    expect(cursor.between).toBe(false)
  })
})
