/** The same sequence for the same seed (Mulberry32): a failure can be run again. */
export function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/**
 * Command lines that are in order. Not among them: what ends the supervisor, what follows a log for ever, and what runs a
 * site of its own; and none of them touches the user graham or the instance django1.
 */
const LINES = [
  'status',
  'status django2',
  'user list',
  'instance list',
  'route list',
  'help',
  'help user add',
  'init',
  'up',
  'user add eve --instance django3 --generate',
  'user add eve --instance django9 --create --generate',
  'user show brian',
  'user move brian --instance django3',
  'user password brian --generate',
  'user enable brian',
  'user disable brian',
  'user remove eve --yes',
  'user remove eve --with-instance --yes',
  'instance add django9 --set A=b',
  'instance add django8',
  'instance remove django8 --yes --purge',
  'instance show django2',
  'instance set django2 A=b C=d',
  'instance unset django2 A',
  'instance logs django2',
  'instance set django3 A=b --no-restart',
  'instance start django2',
  'instance stop django2 --message gone',
  'instance restart django2',
  'instance restart django2 django3 --parallel 2 --json',
  'instance set django3 A=c --keep',
  'instance rollback django3',
  'route set notes.example --instance django2 --public',
  'route remove notes.example',
  'user list --json',
  'instance show django3 --json',
  'instance logs django2 --lines 3',
].map((line) => line.split(' '))
const ODDITIES = [
  '',
  ' ',
  '-',
  '--nonsense',
  '-x',
  '..',
  'a/b',
  '$(id)',
  '`id`',
  ';',
  '\n',
  '\u202e',
  'é',
  '😀',
  '%s%n',
  '0',
  '-1',
  'NaN',
  '=',
  'A==',
  'K=V',
  '*',
  '__proto__',
  'constructor',
  'x'.repeat(5000),
]
const WORDS = [...new Set(LINES.flat()), ...ODDITIES]

/** Command lines of which some are in order and the others have words lost, doubled, replaced and put in. */
export function randomLines(count: number, seed: number): string[][] {
  const random = randomNumbers(seed)
  const below = (limit: number) => Math.floor(random() * limit)
  const one = <Item>(items: readonly Item[]) => items[below(items.length)]!
  return Array.from({ length: count }, () => {
    const line = [...one(LINES)]
    for (let n = below(3); n > 0; n--) {
      const at = below(line.length + 1)
      const replaced = below(2)
      const put = Array.from({ length: below(3) }, () => one(random() < 0.5 ? ODDITIES : WORDS))
      line.splice(at, replaced, ...put)
    }
    return line
  })
}
