// All that the Worker may use of Node's modules: workerd has these (nodejs_compat, on by compatibility date), and the
// types of Node itself would let everything pass.

declare module 'node:buffer' {
  type Encoding = 'utf8' | 'base64' | 'base64url' | 'hex' | 'latin1'
  export class Buffer extends Uint8Array<ArrayBuffer> {
    static alloc(size: number, fill?: Uint8Array): Buffer
    static concat(parts: readonly Uint8Array[]): Buffer
    static from(text: string, encoding?: Encoding): Buffer
    static from(bytes: ArrayBuffer | Uint8Array): Buffer
    static byteLength(text: string): number
    override toString(encoding?: Encoding): string
    override subarray(begin?: number, end?: number): Buffer
  }
}

declare module 'node:crypto' {
  import type { Buffer } from 'node:buffer'
  export class KeyObject {
    readonly type: 'secret' | 'public' | 'private'
  }
  interface Digest {
    update(data: string | Uint8Array): Digest
    digest(): Buffer
    digest(encoding: 'hex' | 'base64' | 'base64url'): string
  }
  export function createHash(algorithm: 'sha256'): Digest
  export function createHmac(algorithm: 'sha256', key: KeyObject | Uint8Array): Digest
  export function createSecretKey(key: Uint8Array): KeyObject
  type HashAlgorithm = 'md5' | 'sha1' | 'sha256' | 'sha512'
  export function hash(algorithm: HashAlgorithm, data: string | Uint8Array, encoding: 'base64'): string
  export function hash(algorithm: HashAlgorithm, data: string | Uint8Array, encoding: 'buffer'): Buffer
  export function hkdfSync(
    digest: 'sha256',
    key: Uint8Array,
    salt: Uint8Array,
    info: string,
    length: number,
  ): ArrayBuffer
  export function randomBytes(size: number): Buffer
  export function timingSafeEqual(a: Uint8Array, b: Uint8Array): boolean
  export function scrypt(
    password: Uint8Array,
    salt: Uint8Array,
    length: number,
    options: { N: number; r: number; p: number; maxmem: number },
    callback: (error: Error | null, key: Buffer) => void,
  ): void
}
