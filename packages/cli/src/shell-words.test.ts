import { describe, expect, it } from 'vitest'
import { splitWords } from './shell-words.ts'

describe('a command line is split like a shell would', () => {
  it.each([
    ['gunicorn mysite.wsgi --bind unix:{socket}', ['gunicorn', 'mysite.wsgi', '--bind', 'unix:{socket}']],
    ['', []],
    ['  \t\n ', []],
    [' a  b\tc\nd ', ['a', 'b', 'c', 'd']],
    [`'a b' "c d"`, ['a b', 'c d']],
    [`a'b c'"d e"f`, ['ab cd ef']],
    [`'' ""`, ['', '']],
    [`'a\\b"c'`, ['a\\b"c']],
    [`"a\\"b\\\\c\\d"`, ['a"b\\c\\d']],
    ['a\\ b \\" \\\\', ['a b', '"', '\\']],
    [`'$HOME' '|' ">" '&&' 'A=1'`, ['$HOME', '|', '>', '&&', 'A=1']],
    ['a $ b$ 5$', ['a', '$', 'b$', '5$']],
    ['\\$HOME \\| \\;', ['$HOME', '|', ';']],
    ['env A=1 b', ['env', 'A=1', 'b']],
    ['a b=c --d=e', ['a', 'b=c', '--d=e']],
    ['curl http://a/?b=1&c=2', ['curl', 'http://a/?b=1&c=2']],
    ['a~b ~/c *', ['a~b', '~/c', '*']],
    ['ä "日 本"', ['ä', '日 本']],
  ])('%j', (line, words) => {
    expect(splitWords(line)).toEqual(words)
  })

  it.each([
    [`a 'b`, "a quote (') that is not closed"],
    ['a "b', 'a quote (") that is not closed'],
    ['a \\', 'a backslash at the end'],
    ['a | b', '| that needs a shell'],
    ['a && b', '&& that needs a shell'],
    ['a; b', '; that needs a shell'],
    ['a > b', '> that needs a shell'],
    ['a 2>&1', '2>&1 that needs a shell'],
    ['a &', '& that needs a shell'],
    ['a <b', '< that needs a shell'],
    ['cd $HOME', '$HOME that needs a shell'],
    ['cd "${HOME}/x"', '${HOME} that needs a shell'],
    ['a `b`', 'a ` that needs a shell'],
    ['PORT=1 a', 'PORT= before the program, which belongs under settings'],
  ])('%j is refused: %s', (line, reason) => {
    expect(splitWords(line)).toEqual({ reason })
  })
})
