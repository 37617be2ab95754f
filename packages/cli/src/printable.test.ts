import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { expect, it } from 'vitest'
import { printable, printableTo } from './printable.ts'

it.each([
  ['plain text\twith a tab\n', 'plain text\twith a tab\n'],
  ['grün 日本 🙂', 'grün 日本 🙂'],
  ['\u001b[31mred\u001b[0m', '\\x1b[31mred\\x1b[0m'],
  ['overwritten\rtext', 'overwritten\\x0dtext'],
  ['\u0007\u0000\u007f', '\\x07\\x00\\x7f'],
  ['\u009b31m', '\\x9b31m'],
  ['safe\u202egnp.exe', 'safe\\u202egnp.exe'],
])('%j is shown as %j', (text, shown) => {
  expect(printable(text)).toBe(shown)
})

it('what is written to a terminal piece by piece is shown the same, and does nothing to it', async () => {
  const terminal = new PassThrough()
  const safe = printableTo(terminal)
  for (const byte of Buffer.from('Zoë 🙂\u001b]0;title\u0007\n')) safe.write(Buffer.of(byte))
  safe.end(() => terminal.end())
  expect(await text(terminal)).toBe('Zoë 🙂\\x1b]0;title\\x07\n')
})
