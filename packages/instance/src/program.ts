import { accessSync, constants, realpathSync, statSync } from 'node:fs'
import { basename, isAbsolute, join, resolve } from 'node:path'
import { type LaunchPlan, SettingsError } from './settings.ts'

/** The search path of execvp(3) where the environment has none. */
const DEFAULT_PATH = '/usr/local/bin:/bin:/usr/bin'
/**
 * Programs known not to care under which name they are called. Others do: Python finds its virtual environment by
 * argv[0], and one binary with many commands (busybox, shims of version managers) finds by it which one is meant.
 */
const INDIFFERENT = /^(?:node|deno|bun|ruby|perl|php|java|sh|bash|dash)[\d.]*$/

/**
 * Finds the program of a plan as execvp(3) would, so that what is wrong can be said before anything is started.
 * @throws {SettingsError} naming `command` or `directory`
 */
export function findProgram({ program, directory, environment }: LaunchPlan): string {
  if (!isDirectory(directory)) throw new SettingsError(`directory: ${directory} is not a directory.`)
  if (program.includes('/')) {
    const path = resolve(directory, program)
    if (isExecutable(path)) return path
    throw new SettingsError(`command: ${program} ${exists(path) ? 'is not executable' : 'does not exist'}.`)
  }
  const candidates = (environment['PATH'] ?? DEFAULT_PATH)
    .split(':')
    .map((entry) => resolve(directory, entry, program))
  const found = candidates.find(isExecutable)
  if (found) return found
  if (candidates.some(exists))
    throw new SettingsError(`command: ${program} is in PATH, but is not executable.`)
  throw new SettingsError(`command: ${program} was not found in PATH.`)
}

/** What the program is told that its name is: `mux:<instance>`, to be seen in `ps`, where that does no harm. */
export function displayName(path: string, plan: LaunchPlan, instance: string): string {
  return INDIFFERENT.test(basename(realpathSync(path))) ? `mux:${instance}` : plan.program
}

/** The path of a program that mux itself needs besides that of the instance; undefined where it is not installed. */
export function findTool(name: string): string | undefined {
  const directories = `${process.env['PATH'] ?? ''}:${DEFAULT_PATH}`.split(':').filter(isAbsolute)
  return directories.map((directory) => join(directory, name)).find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}
