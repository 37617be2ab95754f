import { readFile, stat } from 'node:fs/promises'
import { extname } from 'node:path'
import { IMAGE_TYPES } from './config-values.ts'
import { CliError } from './errors.ts'

/** The largest logo, in bytes: it is part of each sign-in page. */
const MAX_LOGO = 64 * 1024

/**
 * A logo as a `data:` URL (RFC 2397), since the page may load nothing from anywhere.
 * @throws {CliError} `file_unusable`
 */
export async function readLogo(file: string): Promise<string> {
  try {
    const found = await stat(file)
    if (!found.isFile()) throw unusable(file, 'it is not a file')
    if (found.size > MAX_LOGO) throw unusable(file, 'it is larger than 64 KiB')
    const type = IMAGE_TYPES[extname(file).toLowerCase()]!
    return `data:${type};base64,${(await readFile(file)).toString('base64')}`
  } catch (error) {
    if (error instanceof CliError) throw error
    throw unusable(file, String((error as NodeJS.ErrnoException).code), error)
  }
}

function unusable(file: string, reason: string, cause?: unknown): CliError {
  return new CliError('file_unusable', `The logo ${file} cannot be used: ${reason}.`, {
    hint: 'Give edge.logo in mux.yaml a small image.',
    cause,
  })
}
