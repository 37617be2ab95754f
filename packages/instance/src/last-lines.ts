/** The most of one line that is shown, in characters. */
const LINE_LENGTH = 2_000

/** The last lines of a text, oldest first, fit to be shown. */
export function lastLines(text: string, lines: number): string[] {
  const all = text.split('\n')
  if (all.at(-1) === '') all.pop()
  return all.slice(-lines).map((line) => printable(line.replace(/\r$/, '')).slice(0, LINE_LENGTH))
}

/** A text from outside, fit for a terminal: control characters and those that turn the direction of writing are escaped. */
export function printable(text: string): string {
  return text.replace(
    /[^\P{Cc}\t]|[\u2028-\u202e\u2066-\u2069]/gu,
    (character) => `\\x${character.codePointAt(0)!.toString(16).padStart(2, '0')}`,
  )
}
