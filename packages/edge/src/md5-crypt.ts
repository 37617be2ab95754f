import { Buffer } from 'node:buffer'
import { hash } from 'node:crypto'
import { cryptBase64 } from './crypt-base64.ts'

const MAGIC = '$apr1$'
const ROUNDS = 1000
const GROUPS = [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5], [11]]

/**
 * The last part of an `$apr1$` hash, as Apache's htpasswd makes it: MD5-crypt of FreeBSD with a name of its own
 * (https://httpd.apache.org/docs/2.4/misc/password_encryptions.html).
 */
export function apr1(password: Buffer, salt: string): string {
  const saltBytes = Buffer.from(salt, 'latin1')
  const filler = md5([password, saltBytes, password])
  const first = [password, Buffer.from(MAGIC), saltBytes]
  for (let left = password.length; left > 0; left -= filler.length) first.push(filler.subarray(0, left))
  for (let bits = password.length; bits > 0; bits >>= 1)
    first.push((bits & 1) === 1 ? Buffer.alloc(1) : password.subarray(0, 1))
  let result = md5(first)
  for (let round = 0; round < ROUNDS; round += 1) {
    const odd = round % 2 === 1
    const parts = [odd ? password : result]
    if (round % 3 !== 0) parts.push(saltBytes)
    if (round % 7 !== 0) parts.push(password)
    parts.push(odd ? result : password)
    result = md5(parts)
  }
  return cryptBase64(result, GROUPS)
}

function md5(parts: readonly Buffer[]): Buffer {
  return hash('md5', Buffer.concat(parts), 'buffer')
}
