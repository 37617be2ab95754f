const ALPHABET = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/**
 * The text of bytes as crypt(3) writes them: up to three bytes make a number, the first the highest, of which six bits
 * at a time are written, the lowest first. Neither the alphabet nor the order is that of Base64.
 * @param groups indices into `bytes`, one to three at a time
 */
export function cryptBase64(bytes: Uint8Array, groups: readonly (readonly number[])[]): string {
  let text = ''
  for (const group of groups) {
    let rest = group.reduce((number, index) => (number << 8) | bytes[index]!, 0)
    for (let written = 0; written <= group.length; written += 1) {
      text += ALPHABET[rest & 0x3f]
      rest >>= 6
    }
  }
  return text
}
