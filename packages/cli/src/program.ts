import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * The directory of this package. What lies in it or beside it is found from here: the build puts this module, as the program
 * begins with it, at the same depth as it is in the source, and others wherever it likes.
 */
export const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** The program that runs now. */
export const PROGRAM = join(ROOT, 'bin/run.js')
