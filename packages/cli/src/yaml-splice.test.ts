import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { removeFromYaml, reshapeYaml, setInYaml } from './yaml-splice.ts'

const FILE = `# Ours.
app:
  command:   a       # aligned
  settings: { A: b }   # in one line

pool: { max: 8 }
instances:
  # the first one
  one: {}
  two:             # brian
    settings:
      DATABASE: brian.sqlite3   # his
      # COLOUR: red
    idle: 5m

  three: { settings: { A: c, "B": "d" } } # malcolm
`

describe('a value set in YAML changes its own lines only', () => {
  it.each([
    [
      'a value in a block',
      ['instances', 'two', 'settings', 'DATABASE'],
      'x',
      ['DATABASE: brian.sqlite3', 'DATABASE: x'],
    ],
    ['a value in one line', ['instances', 'three', 'settings', 'A'], 'x y', ['A: c,', 'A: x y,']],
    [
      'a value that needs quotes there',
      ['instances', 'three', 'settings', 'A'],
      'x, y',
      ['A: c,', 'A: "x, y",'],
    ],
    ['a number is a text', ['instances', 'three', 'settings', 'B'], '4', ['"B": "d"', '"B": "4"']],
    [
      'a new key in a block',
      ['instances', 'two', 'settings', 'B'],
      'x',
      ['   # his\n', '   # his\n      B: x\n'],
    ],
    [
      'a new key in one line',
      ['instances', 'three', 'settings', 'C'],
      'x',
      ['"B": "d" }', '"B": "d", C: x }'],
    ],
    [
      'a key under {}',
      ['instances', 'one', 'settings', 'B'],
      'x',
      ['one: {}', 'one:\n    settings:\n      B: x'],
    ],
    ['a new entry at the end', ['instances', 'four'], {}, ['# malcolm\n', '# malcolm\n  four: {}\n']],
    [
      'a new entry with settings',
      ['instances', 'four'],
      { settings: { A: 'b', K: { secret: 'four.K' } } },
      ['# malcolm\n', '# malcolm\n  four:\n    settings:\n      A: b\n      K: { secret: four.K }\n'],
    ],
    [
      'a secret over a text',
      ['instances', 'two', 'settings', 'DATABASE'],
      { secret: 's' },
      ['DATABASE: brian.sqlite3', 'DATABASE: { secret: s }'],
    ],
    ['a key at the top', ['edge'], { listen: 'a:1' }, ['# malcolm\n', '# malcolm\nedge:\n  listen: a:1\n']],
    [
      'a text of many lines',
      ['instances', 'two', 'settings', 'DATABASE'],
      'a\nb',
      ['DATABASE: brian.sqlite3', 'DATABASE: "a\\nb"'],
    ],
    [
      'what looks like something else',
      ['instances', 'two', 'settings', 'DATABASE'],
      '# no: [x',
      ['DATABASE: brian.sqlite3', 'DATABASE: "# no: [x"'],
    ],
  ])('%s', (_, path, value, [from, to]) => {
    expect(setInYaml(FILE, path, value as string)).toBe(FILE.replace(from!, () => to!))
  })

  it.each([
    ['nothing after the key', 'instances:\n', 'instances:\n  a: {}\n'],
    ['a comment after the key', 'instances: # none\n', 'instances: # none\n  a: {}\n'],
    ['{} with a comment', 'instances: {} # none\n', 'instances: { a: {} } # none\n'],
    ['no such key', 'app: 1\n', 'app: 1\ninstances:\n  a: {}\n'],
    ['no line break at the end', 'instances:\n  b: {}', 'instances:\n  b: {}\n  a: {}'],
    [
      'line ends of Windows',
      'instances:\r\n  b: {}\r\nx: 1\r\n',
      'instances:\r\n  b: {}\r\n  a: {}\r\nx: 1\r\n',
    ],
    ['a byte order mark', '\ufeffinstances:\n  b: {}\n', '\ufeffinstances:\n  b: {}\n  a: {}\n'],
    ['deep indents', 'instances:\n      b: {}\n', 'instances:\n      b: {}\n      a: {}\n'],
    [
      'a long text at the end',
      'instances:\n  b:\n    x: |\n      one\n      two\n',
      'instances:\n  b:\n    x: |\n      one\n      two\n  a: {}\n',
    ],
    [
      'a list at the end',
      'instances:\n  b:\n    command:\n      - a\n      - b # c\n',
      'instances:\n  b:\n    command:\n      - a\n      - b # c\n  a: {}\n',
    ],
    ['a map in many lines', 'instances: {\n  b: {}, # c\n}\n', 'instances: {\n  b: {}, a: {}, # c\n}\n'],
  ])('with %s', (_, before, after) => {
    expect(setInYaml(before, ['instances', 'a'], {})).toBe(after)
  })

  it('or writes the whole anew where that cannot be, and keeps the comments', () => {
    const text = '# top\ninstances:\n  a: &x { settings: { A: 1 } } # one\n  ? b\n  : *x\n'
    const changed = setInYaml(text, ['instances', 'b', 'settings'], 'x')
    expect(parse(changed)).toEqual({ instances: { a: { settings: { A: 1 } }, b: { settings: 'x' } } })
    expect(changed).toContain('# top')
  })
})

describe('a pair removed from YAML takes its own lines only', () => {
  it.each([
    ['from a block', ['instances', 'one'], ['  one: {}\n', '']],
    ['the last of a block', ['instances', 'three'], [/ {2}three:.*\n/, '']],
    ['with all that is below', ['instances', 'two'], [/ {2}two:[^]*5m\n/, '']],
    ['from one line', ['instances', 'three', 'settings', 'A'], ['{ A: c, "B"', '{ "B"']],
    ['the last from one line', ['instances', 'three', 'settings', 'B'], [', "B": "d"', '']],
    ['the only one from one line', ['app', 'settings', 'A'], ['{ A: b }', '{}']],
    [
      'the only one from a block',
      ['instances', 'two', 'settings', 'DATABASE'],
      [/settings:\n.*\n/, 'settings: {}\n'],
    ],
  ])('%s', (_, path, [from, to]) => {
    expect(removeFromYaml(FILE, path)).toBe(FILE.replace(from!, to as string))
  })

  it('and leaves {} where nothing is left', () => {
    expect(removeFromYaml('a: 1\ninstances:\n  b: {}\n', ['instances', 'b'])).toBe('a: 1\ninstances: {}\n')
  })
})

describe('a map that is to say something else', () => {
  const present = { settings: { DATABASE: 'brian.sqlite3' }, idle: '5m' }

  it('has its lines changed where it does, and no others', () => {
    const wanted = {
      settings: { DATABASE: 'x', K: { secret: 'two.K' } },
      limits: { queue: 5 },
      idle: '5m',
      command: ['sh', '-c', 'a, b'],
      sandbox: true,
    }
    expect(reshapeYaml(FILE, ['instances', 'two'], present, wanted)).toBe(
      FILE.replace('DATABASE: brian.sqlite3', 'DATABASE: x')
        .replace('# his\n', '# his\n      K: { secret: two.K }\n')
        .replace(
          '    idle: 5m\n',
          '    idle: 5m\n    limits:\n      queue: 5\n    command: [sh, -c, "a, b"]\n    sandbox: true\n',
        ),
    )
  })

  it('loses what it does not say any more', () => {
    expect(reshapeYaml(FILE, ['instances', 'two'], present, { idle: '5m' })).toBe(
      FILE.replace(/ {4}settings:\n {6}DATABASE.*\n/, ''),
    )
    expect(parse(reshapeYaml(FILE, ['instances', 'two'], present, {}))).toMatchObject({
      instances: { two: {} },
    })
  })

  it.each([
    ['a secret by another', 'K: { secret: a.K }', { K: { secret: 'b' } }],
    ['a text by a secret', 'K: x', { K: { secret: 'b' } }],
    ['a list in many lines', 'K:\n    - a\n    - b', { K: ['a', 'c'] }],
  ])('has %s', (_, line, wanted) => {
    const text = `# top\nm:\n  ${line}\nz: 1\n`
    const { m } = parse(text) as { m: object }
    const changed = reshapeYaml(text, ['m'], { ...m }, wanted)
    expect(parse(changed)).toEqual({ m: wanted, z: 1 })
    expect(changed).toContain('# top')
  })

  it('as nothing, an empty one or one in many lines gets what it is to say', () => {
    for (const text of ['m:\nz: 1\n', 'm: {}\nz: 1\n', 'm: # why\n  # nothing\nz: 1\n'])
      expect(parse(reshapeYaml(text, ['m'], {}, { settings: { A: '1' } }))).toEqual({
        m: { settings: { A: '1' } },
        z: 1,
      })
  })
})
