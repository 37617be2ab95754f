import { randomNumbers } from '../bad-input/random-lines.ts'

/** The same throws for the same seed. */
export class Dice {
  readonly #next: () => number

  constructor(seed: number) {
    this.#next = randomNumbers(seed)
  }

  /** A whole number below `end`. */
  below(end: number): number {
    return Math.floor(this.#next() * end)
  }

  of<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!
  }
}

/** What parsers trip over. */
const PIECES = [
  '\r\n',
  '\n',
  '\r',
  '\0',
  ' ',
  '\t',
  ':',
  ',',
  ';',
  '\xff',
  '\r\n\r\n',
  'Content-Length: 5\r\n',
  'Content-Length: 0\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: identity\r\n',
  'Connection: close, Mux-User\r\n',
  'Connection: Upgrade\r\nUpgrade: h2c\r\n',
  'Expect: 100-continue\r\n',
  'Host: other.example\r\n',
  'Mux-User: brian\r\n',
  'mux_user: brian\r\n',
  'X-Remote_User: brian\r\n',
  'GET /smuggled HTTP/1.1\r\nHost: notes.example\r\n\r\n',
  '0\r\n\r\n',
  'ffffffffffffffff\r\n',
  'HTTP/1.0',
]

type Mutation = (text: string, dice: Dice, corpus: readonly string[]) => string

const MUTATIONS: readonly Mutation[] = [
  function flipByte(text, dice) {
    const at = dice.below(text.length)
    return text.slice(0, at) + String.fromCharCode(dice.below(256)) + text.slice(at + 1)
  },
  function insertPiece(text, dice) {
    const at = dice.below(text.length + 1)
    return text.slice(0, at) + dice.of(PIECES) + text.slice(at)
  },
  function insertLine(text, dice) {
    const lines = text.split('\r\n')
    lines.splice(1 + dice.below(lines.length), 0, dice.of(PIECES).replace(/\r\n$/, ''))
    return lines.join('\r\n')
  },
  function removeRange(text, dice) {
    const at = dice.below(text.length)
    return text.slice(0, at) + text.slice(at + 1 + dice.below(20))
  },
  function repeatRange(text, dice) {
    const at = dice.below(text.length)
    const end = at + 1 + dice.below(60)
    return text.slice(0, end) + text.slice(at)
  },
  function splice(text, dice, corpus) {
    const other = dice.of(corpus)
    return text.slice(0, dice.below(text.length)) + other.slice(dice.below(other.length))
  },
  function shuffleHeaders(text, dice) {
    const end = text.indexOf('\r\n\r\n')
    const [line = '', ...headers] = text.slice(0, end).split('\r\n')
    for (let i = headers.length - 1; i > 0; i--) {
      const j = dice.below(i + 1)
      ;[headers[i], headers[j]] = [headers[j]!, headers[i]!]
    }
    return [line, ...headers].join('\r\n') + text.slice(end)
  },
  function cut(text, dice) {
    return text.slice(0, dice.below(text.length))
  },
]

/** One of the corpus, changed in one to four ways. */
export function mutated(corpus: readonly string[], dice: Dice): string {
  let text = dice.of(corpus)
  for (let left = 1 + dice.below(4); left > 0 && text.length > 0; left--) {
    text = dice.of(MUTATIONS)(text, dice, corpus)
  }
  return text
}
