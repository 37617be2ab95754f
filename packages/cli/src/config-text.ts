import { readFile, stat } from 'node:fs/promises'
import { CliError } from './errors.ts'
import { CONFIG_FILE, type Project } from './project.ts'

/** More than any mux.yaml; what is larger is another file. */
const MAX_CONFIG_BYTES = 1024 * 1024

/** The text of mux.yaml as it is, a byte order mark included. */
export async function readConfigText({ configFile }: Project): Promise<string> {
  const bytes = await readRegularFile(configFile).catch((error: NodeJS.ErrnoException) => {
    if (error instanceof CliError) throw error
    throw new CliError('config_invalid', `${configFile} cannot be read (${error.code ?? error.message}).`, {
      hint: `See what it is: ls -l ${configFile}`,
      cause: error,
    })
  })
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (error) {
    throw new CliError('config_invalid', `${configFile} is not UTF-8.`, {
      hint: 'Save it as UTF-8 in an editor.',
      cause: error,
    })
  }
}

/** A pipe in its place would be waited for without end. */
async function readRegularFile(file: string): Promise<Buffer> {
  const found = await stat(file)
  if (!found.isFile()) throw new CliError('config_invalid', `${file} is not a file.`)
  if (found.size > MAX_CONFIG_BYTES)
    throw new CliError('config_invalid', `${file} is larger than 1 MiB, so it is no ${CONFIG_FILE}.`)
  return readFile(file)
}
