import { expect, it } from 'vitest'
import { CARRIED_MAX, decodeCarriedInstance } from './carried-instance.ts'
import { CONTROL_MAX_BODY, decodeControlReply, decodeControlRequest } from './control.ts'
import { decodeRecord, RECORD_KINDS } from './records.ts'

const DEPTH = 100_000
/** More than the widest door lets in. */
const KEYS = 200_000

/** What is made of a text of at most so many characters; longer ones are refused before, unread. */
interface Door {
  most: number
  decode: (text: string) => unknown
}

const DOORS: Record<string, Door> = {
  ...Object.fromEntries(
    RECORD_KINDS.map((kind) => [
      `a record of kind ${kind}`,
      { most: Infinity, decode: (text: string) => decodeRecord(kind, 'a', text) },
    ]),
  ),
  'an order': { most: CONTROL_MAX_BODY, decode: decodeControlRequest },
  'a reply': { most: CONTROL_MAX_BODY, decode: (text) => decodeControlReply('status', text) },
  'an instance that is carried': {
    most: CARRIED_MAX,
    decode: (text) => {
      if (decodeCarriedInstance(text) === undefined) throw new TypeError('it is none')
    },
  },
}

const keys = (count: number) =>
  `{"v":1,"op":"status",${Array.from({ length: count }, (_, n) => `"k${n}":1`).join(',')}}`

it.each([
  ['100,000 arrays deep', '['.repeat(DEPTH) + ']'.repeat(DEPTH)],
  ['100,000 objects deep', `${'{"v":'.repeat(DEPTH)}1${'}'.repeat(DEPTH)}`],
  ['100,000 arrays that never end', '['.repeat(DEPTH)],
  ['as deep as an order may be', `{"v":1,"op":${'['.repeat(30_000)}${']'.repeat(30_000)}}`],
  ['very many keys', keys(KEYS)],
  ['as many keys as an order may have', keys(5_000)],
])('JSON that is or has %s is an error at every door, and soon', (_, text) => {
  for (const [door, { most, decode }] of Object.entries(DOORS)) {
    if (text.length > most) continue
    const began = Date.now()
    let error: unknown
    try {
      decode(text)
    } catch (thrown) {
      error = thrown
    }
    expect(error, door).toBeInstanceOf(Error)
    // Where the stack ends, it may have ended anywhere.
    expect(error, door).not.toBeInstanceOf(RangeError)
    // A tenth of a second at rest.
    expect(Date.now() - began, door).toBeLessThan(5_000)
  }
})
