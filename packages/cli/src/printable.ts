import { Writable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'

/**
 * Text of unknown origin, made safe for a terminal: every control character but the line end and the tab is written
 * as an escape, and so are those that change the direction of text, by which one line can look like another.
 */
export function printable(text: string): string {
  return text.replace(UNSAFE, (character) => {
    const code = character.codePointAt(0)!
    return code < 0x100
      ? `\\x${code.toString(16).padStart(2, '0')}`
      : `\\u${code.toString(16).padStart(4, '0')}`
  })
}

// The C0 and C1 controls, and the bidirectional controls of Unicode (UAX #9).
// oxlint-disable-next-line no-control-regex -- finding them is the point
const UNSAFE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

/** Makes text safe on its way to a terminal, which is not ended with it. A character may come in pieces. */
export function printableTo(terminal: Writable): Writable {
  const decoder = new StringDecoder('utf8')
  return new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      const text = printable(decoder.write(chunk))
      if (text === '') done()
      // That it is gone is told by the terminal itself.
      else terminal.write(text, () => done())
    },
  })
}
