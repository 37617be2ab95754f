/** By what a host knows who speaks to it: its edge, and its operator. */
export interface HostKeys {
  edge: Uint8Array
  control: Uint8Array
}

const PREFIX = 'muxhost_'
/** Bytes of each of the two. */
const KEY_BYTES = 32
export const JOIN_KEY_RULE = `a join key, which begins with ${PREFIX}`

/** Both keys in one word, to be carried to the host by hand. Whoever has it can speak to that host as its edge and its operator. */
export function joinKeyText({ edge, control }: HostKeys): string {
  return PREFIX + Buffer.concat([edge, control]).toString('base64url')
}

/** Undefined for anything else than what {@link joinKeyText} writes, but for blanks around it. */
export function parseJoinKey(text: string): HostKeys | undefined {
  const word = text.trim()
  if (!word.startsWith(PREFIX)) return undefined
  const bytes = Buffer.from(word.slice(PREFIX.length), 'base64url')
  if (bytes.length !== 2 * KEY_BYTES || PREFIX + bytes.toString('base64url') !== word) return undefined
  return {
    edge: new Uint8Array(bytes.subarray(0, KEY_BYTES)),
    control: new Uint8Array(bytes.subarray(KEY_BYTES)),
  }
}
