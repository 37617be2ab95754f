/** Why a command line cannot be split into words without a shell. */
export interface WordsProblem {
  reason: string
}

/** Words that only a shell gives a meaning: run without one, they would reach the program as arguments. */
const OPERATOR = /^(?:\|\|?|&&?|;;?|\d*(?:>>?|<<?)(?:&\d*-?)?)/

/**
 * Splits a command line as a POSIX shell would (quotes and backslashes; XCU section 2.2), and expands nothing. What only a
 * shell can do (`|`, `>`, `$HOME`, `A=1 program`) is a problem and not an argument.
 */
export function splitWords(line: string): string[] | WordsProblem {
  const words: string[] = []
  let word: string | undefined
  for (let at = 0; at < line.length;) {
    const character = line[at]!
    if (/\s/.test(character)) {
      if (word !== undefined) words.push(word)
      word = undefined
      at += 1
    } else if (character === "'") {
      const end = line.indexOf("'", at + 1)
      if (end < 0) return { reason: "a quote (') that is not closed" }
      word = (word ?? '') + line.slice(at + 1, end)
      at = end + 1
    } else if (character === '"') {
      const quoted = readDoubleQuoted(line, at + 1)
      if ('reason' in quoted) return quoted
      word = (word ?? '') + quoted.text
      at = quoted.end
    } else if (character === '\\') {
      if (at + 1 === line.length) return { reason: 'a backslash at the end' }
      word = (word ?? '') + line[at + 1]
      at += 2
    } else {
      const special = shellOnly(line, at, word, words.length)
      if (special !== undefined) return special
      word = (word ?? '') + character
      at += 1
    }
  }
  if (word !== undefined) words.push(word)
  return words
}

function readDoubleQuoted(line: string, start: number): { text: string; end: number } | WordsProblem {
  let text = ''
  for (let at = start; at < line.length; at += 1) {
    const character = line[at]!
    if (character === '"') return { text, end: at + 1 }
    if (character === '$' && isVariable(line, at)) return variable(line, at)
    // Inside double quotes a backslash is itself unless it stands before one of these.
    if (character === '\\' && /["\\$`\n]/.test(line[at + 1] ?? '')) {
      at += 1
      text += line[at] === '\n' ? '' : line[at]
    } else text += character
  }
  return { reason: 'a quote (") that is not closed' }
}

function shellOnly(
  line: string,
  at: number,
  word: string | undefined,
  words: number,
): WordsProblem | undefined {
  if (line[at] === '$' && isVariable(line, at)) return variable(line, at)
  if (line[at] === '`') return { reason: 'a ` that needs a shell' }
  if (word === undefined) {
    const operator = OPERATOR.exec(line.slice(at))
    if (operator !== null) return { reason: `${operator[0]} that needs a shell` }
  } else if (line[at] === ';' || line[at] === '|' || line[at] === '>') {
    return { reason: `${line[at]} that needs a shell` }
  }
  if (words === 0 && line[at] === '=' && word !== undefined && /^[A-Za-z_]\w*$/.test(word))
    return { reason: `${word}= before the program, which belongs under settings` }
  return undefined
}

function isVariable(line: string, at: number): boolean {
  return /[A-Za-z_({]/.test(line[at + 1] ?? '')
}

function variable(line: string, at: number): WordsProblem {
  const name = /^\$\{?\w*\}?/.exec(line.slice(at))?.[0] ?? '$'
  return { reason: `${name} that needs a shell` }
}
