import { randomBytes } from 'node:crypto'
import { mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { createFile, replaceFile } from '@mux/instance/atomic-file'
import { CliError } from './errors.ts'

/** Bytes of a key that is made here, and the fewest that one may have. */
const KEY_BYTES = 32
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/**
 * The key in a file (base64 text, mode 0600, in a directory of mode 0700), made of random bytes if there is none yet.
 * Two processes that ask at once get the same key, and a file that is there is never written again.
 * @throws {CliError} `key_exposed`, `key_unusable`
 */
export async function ensureKey(file: string): Promise<Uint8Array> {
  const present = await readKey(file)
  if (present) return present
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  await createFile(file, keyText(randomBytes(KEY_BYTES)), 0o600)
  const key = await readKey(file)
  if (!key) throw new CliError('key_unusable', `The key ${file} was removed while it was made.`, 'Try again.')
  return key
}

/** Puts a key, by default a new one, into the place of the one in a file, as one step. */
export async function replaceKey(file: string, key: Uint8Array = randomBytes(KEY_BYTES)): Promise<void> {
  await replaceFile(file, keyText(key), 0o600)
}

function keyText(key: Uint8Array): string {
  return `${Buffer.from(key).toString('base64')}\n`
}

/** The key that a text says in base64; undefined when it says none. */
export function parseKey(text: string): Uint8Array | undefined {
  const key = BASE64.test(text.trim()) ? Buffer.from(text.trim(), 'base64') : undefined
  return key === undefined || key.length < KEY_BYTES ? undefined : new Uint8Array(key)
}

/**
 * The key in a file; undefined when there is no such file.
 * @throws {CliError} `key_exposed` when others may read it, `key_unusable` when it is no key
 */
export async function readKey(file: string): Promise<Uint8Array | undefined> {
  const handle = await open(file, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new CliError(
      'key_unusable',
      `The key ${file} cannot be read (${error.code ?? 'unknown reason'}).`,
      {
        hint: `See who owns it: ls -l ${file}`,
        cause: error,
      },
    )
  })
  if (!handle) return undefined
  try {
    const facts = await handle.stat()
    if (!facts.isFile()) throw new CliError('key_unusable', `The key ${file} is not a file.`)
    if ((facts.mode & 0o077) !== 0) {
      throw new CliError('key_exposed', `The key ${file} can be read by other users of this machine.`, {
        hint: `Consider it known, make a new one (rm ${file}) or, if nobody else was here: chmod 600 ${file}`,
      })
    }
    const key = parseKey(await handle.readFile('latin1'))
    if (!key) {
      throw new CliError('key_unusable', `The key ${file} is not ${KEY_BYTES} bytes of base64.`, {
        hint: `Put the right one there, or let mux make a new one: rm ${file}`,
      })
    }
    return key
  } finally {
    await handle.close()
  }
}
