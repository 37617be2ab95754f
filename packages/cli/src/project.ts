import { chmod, mkdir, open, stat, writeFile } from 'node:fs/promises'
import { statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { CliError } from './errors.ts'

export const CONFIG_FILE = 'mux.yaml'
const STATE_DIRECTORY = '.mux'

/** One directory with a `mux.yaml`, and where its state lies. All paths are absolute. */
export interface Project {
  directory: string
  configFile: string
  state: StatePaths
}

export interface StatePaths {
  directory: string
  registry: string
  /** What the edge keeps for itself. */
  edge: string
  /** What the gateway of a host keeps for itself. */
  known: string
  keys: string
  secrets: string
  run: string
  logs: string
  data: string
  controlSocket: string
}

export function projectAt(directory: string): Project {
  const absolute = resolve(directory)
  const state = join(absolute, STATE_DIRECTORY)
  return {
    directory: absolute,
    configFile: join(absolute, CONFIG_FILE),
    state: {
      directory: state,
      registry: join(state, 'registry.sqlite'),
      edge: join(state, 'edge.sqlite'),
      known: join(state, 'known.sqlite'),
      keys: join(state, 'keys'),
      secrets: join(state, 'secrets'),
      run: join(state, 'run'),
      logs: join(state, 'logs'),
      data: join(state, 'data'),
      controlSocket: join(state, 'run', 'control.sock'),
    },
  }
}

/**
 * The absolute path of a directory that was named, or of the working directory.
 * @throws {CliError} `project_not_found` when it takes the working directory, and that has been removed
 */
export function directoryNamed(named = '.'): string {
  try {
    return resolve(named)
  } catch (cause) {
    throw new CliError('project_not_found', 'The working directory has been removed.', {
      hint: 'Go to one that is there, or name the project by its full path with --project or MUX_PROJECT.',
      cause,
    })
  }
}

/**
 * The project to work on: the directory that was named, or the nearest one upward from `from` that has a mux.yaml.
 * @throws {CliError} `project_not_found`
 */
export function findProject(named: string | undefined, from = '.'): Project {
  if (named !== undefined) {
    const project = projectAt(directoryNamed(named))
    if (isThere(project.configFile)) return project
    throw new CliError(
      'project_not_found',
      `There is no ${CONFIG_FILE} in ${project.directory}.`,
      'Name another directory with --project or MUX_PROJECT, or begin there with: mux init',
    )
  }
  for (let directory = directoryNamed(from); ; directory = dirname(directory)) {
    const project = projectAt(directory)
    if (isThere(project.configFile)) return project
    if (directory === dirname(directory)) break
  }
  throw new CliError(
    'project_not_found',
    `There is no ${CONFIG_FILE} here or in any directory above.`,
    'Begin with: mux init   (or name the directory with --project or MUX_PROJECT)',
  )
}

/**
 * Makes the state directory and its parts, 0700 each, for nobody but the one who runs mux. Where instances have users of
 * their own, those may pass to their data (0711): that is left as the supervisor has made it.
 * @throws {CliError} `state_refused` when it belongs to somebody else or is no directory
 */
export async function ensureStateDirectory({ state }: Project): Promise<void> {
  await ensurePrivate(state.directory, 0o711)
  await writeFile(join(state.directory, '.gitignore'), '*\n', { flag: 'wx', mode: 0o600 }).catch(
    ignoreExisting,
  )
  await ensurePrivate(state.data, 0o711)
  for (const part of [state.keys, state.secrets, state.run, state.logs]) await ensurePrivate(part, 0o700)
}

/** @param most the mode that one which is there may have */
async function ensurePrivate(directory: string, most: number): Promise<void> {
  try {
    await mkdir(directory, { mode: 0o700 })
    return
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST')
      throw refused(directory, 'it cannot be made', error)
  }
  const found = await stat(directory).catch((error: unknown) => {
    throw refused(directory, 'it cannot be looked at', error)
  })
  if (!found.isDirectory()) throw refused(directory, 'it is not a directory')
  const uid = process.getuid?.()
  if (uid !== undefined && found.uid !== uid)
    throw refused(directory, `it belongs to user id ${found.uid}, and mux runs as ${uid}`)
  const mode = found.mode & 0o777
  if (mode !== 0o700 && mode !== most) await chmod(directory, 0o700)
  // A directory of ours on a read-only or broken file system is noticed here and not half-way through a change.
  await (await open(directory, 'r')).close()
}

function refused(directory: string, reason: string, cause?: unknown): CliError {
  return new CliError('state_refused', `The state directory ${directory} cannot be used: ${reason}.`, {
    hint: 'Run mux as the user who owns it, or give the directory to that user with chown -R.',
    cause,
  })
}

function ignoreExisting(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
}

/** Whatever it is: what cannot be read, or is no file, is for the one who reads it to tell, and not to be passed by. */
function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOTDIR'
  }
}
