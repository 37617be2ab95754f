/**
 * Text without the blanks around it, where only space and tab are blanks (RFC 9110 section 5.6.3): String.trim would take
 * a no-break space too, and a regular expression takes quadratic time for blanks in the middle.
 */
export function trimBlanks(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isBlank(text.charCodeAt(start))) start += 1
  while (end > start && isBlank(text.charCodeAt(end - 1))) end -= 1
  return text.slice(start, end)
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09
}
