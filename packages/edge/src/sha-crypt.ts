import { Buffer } from 'node:buffer'
import { hash } from 'node:crypto'
import { cryptBase64 } from './crypt-base64.ts'

export type ShaCryptAlgorithm = 'sha256' | 'sha512'

/** Rounds after which other work of the process has its turn. */
const BREATH = 500

const GROUPS: Record<ShaCryptAlgorithm, number[][]> = {
  // Each group is the one before it, every index one higher and one place on: to the right here, to the left below.
  sha256: [...turning([0, 10, 20], 10, ([a, b, c]) => [c + 1, a + 1, b + 1]), [31, 30]],
  sha512: [...turning([0, 21, 42], 21, ([a, b, c]) => [b + 1, c + 1, a + 1]), [63]],
}

/** The last part of a `$5$` or `$6$` hash of crypt(3) (https://www.akkadia.org/drepper/SHA-crypt.txt). */
export async function shaCrypt(
  algorithm: ShaCryptAlgorithm,
  password: Buffer,
  salt: string,
  rounds: number,
): Promise<string> {
  const digest = (parts: readonly Buffer[]) => hash(algorithm, Buffer.concat(parts), 'buffer')
  const saltBytes = Buffer.from(salt, 'latin1')

  const filler = digest([password, saltBytes, password])
  const first = [password, saltBytes, repeated(filler, password.length)]
  for (let bits = password.length; bits > 0; bits >>= 1) first.push((bits & 1) === 1 ? filler : password)
  let result = digest(first)

  const ofPassword = repeated(digest(Array<Buffer>(password.length).fill(password)), password.length)
  const ofSalt = repeated(digest(Array<Buffer>(16 + result[0]!).fill(saltBytes)), saltBytes.length)
  for (let round = 0; round < rounds; round += 1) {
    const odd = round % 2 === 1
    const parts = [odd ? ofPassword : result]
    if (round % 3 !== 0) parts.push(ofSalt)
    if (round % 7 !== 0) parts.push(ofPassword)
    parts.push(odd ? result : ofPassword)
    result = digest(parts)
    if (round % BREATH === BREATH - 1) await new Promise((resolve) => setTimeout(resolve))
  }
  return cryptBase64(result, GROUPS[algorithm])
}

function repeated(bytes: Buffer, length: number): Buffer {
  return Buffer.alloc(length, bytes)
}

type Triple = [number, number, number]

function turning(first: Triple, count: number, next: (group: Triple) => Triple): Triple[] {
  const groups = [first]
  while (groups.length < count) groups.push(next(groups.at(-1)!))
  return groups
}
