// @ts-check
// Plain JavaScript for Node 18: this runs before there is anything better.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'

/** @typedef {{ name: 'node' | 'pnpm', pkg: string, file: string }} Tool */

/**
 * What can be brought through npm, as packages that hold one binary and run no install script. Their versions and
 * hashes are pinned in `toolchain/<name>/package-lock.json`.
 * @type {Record<'node' | 'pnpm', Tool>}
 */
export const TOOLS = {
  node: { name: 'node', pkg: `node-${process.platform}-${process.arch}`, file: 'bin/node' },
  pnpm: { name: 'pnpm', pkg: `@pnpm/exe.${process.platform}-${process.arch}`, file: 'pnpm' },
}

/** An error whose message is all that a person needs to read. */
export class PrepareError extends Error {
  /** @override */
  name = 'PrepareError'
}

/**
 * True if a version is at least `minimum`; both as three numbers with dots.
 * @param {string} version
 * @param {string} minimum
 */
export function isAtLeast(version, minimum) {
  const have = version.split('.').map(Number)
  const want = minimum.split('.').map(Number)
  for (let index = 0; index < 3; index++) {
    const difference = (have[index] ?? 0) - (want[index] ?? 0)
    if (difference !== 0) return difference > 0
  }
  return true
}

/**
 * The version that a program says it has; `undefined` if it does not run.
 * @param {string} command
 */
export function versionOf(command) {
  const result = spawnSync(command, ['--version'], {
    // Away from any package.json that names a version, and with nothing fetched to find out.
    cwd: tmpdir(),
    env: { ...process.env, COREPACK_ENABLE_NETWORK: '0' },
    encoding: 'utf8',
    timeout: 20_000,
  })
  return result.status === 0 ? result.stdout.trim().replace(/^v/, '') : undefined
}

/**
 * A tool that was brought before.
 * @param {Tool} tool
 * @param {string} directory `scripts/toolchain`
 * @returns {string | undefined} the path of its binary, if it runs and is the version that is pinned
 */
export function find(tool, directory) {
  const binary = binaryOf(tool, directory)
  return versionOf(binary) === pinnedVersion(tool, directory) ? binary : undefined
}

/**
 * Brings a tool through npm.
 * @param {Tool} tool
 * @param {string} directory `scripts/toolchain`
 * @param {string} orInstall what else a person can do, as the second half of a sentence
 * @returns {string} the path of its binary
 * @throws {PrepareError} if npm is missing or could not bring it
 */
export function bring(tool, directory, orInstall) {
  const wanted = pinnedVersion(tool, directory)
  if (!wanted)
    throw new PrepareError(
      `There is no ${tool.name} to bring for ${process.platform} on ${process.arch}; ${orInstall}.`,
    )

  const [command, ...prefix] = npm()
  const result = spawnSync(
    command,
    // Two tries, seconds apart: npm's own retries keep a machine without a network waiting for a minute and more.
    [
      ...prefix,
      'ci',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      '--prefer-offline',
      '--fetch-retries=1',
      '--fetch-retry-mintimeout=2000',
      '--loglevel=error',
    ],
    { cwd: join(directory, tool.name), env: npmEnvironment(), encoding: 'utf8', timeout: 300_000 },
  )
  const { code } = /** @type {{ code?: string }} */ (result.error ?? {})
  if (code === 'ENOENT')
    throw new PrepareError(`npm is missing, so that ${tool.name} ${wanted} cannot be brought; ${orInstall}.`)
  const binary = find(tool, directory)
  if (!binary) {
    // Offline, npm counts what it could not fetch as merely optional, and says that all is well.
    const failed = code ?? (result.status === 0 ? undefined : `exit code ${result.status}`)
    if (failed) process.stderr.write(`\n${result.stdout ?? ''}${result.stderr ?? ''}`)
    throw new PrepareError(
      `npm could not bring ${tool.name} ${wanted}${failed ? ` (${failed})` : ''}; connect to the network and try again, or ${orInstall}.`,
    )
  }
  return binary
}

/**
 * npm as a command line: the one that runs us, else the one on `PATH`.
 * @returns {[string, ...string[]]}
 */
function npm() {
  const own = process.env.npm_execpath
  return own && basename(own) === 'npm-cli.js' ? [process.execPath, own] : ['npm']
}

/**
 * @param {Tool} tool
 * @param {string} directory
 */
function binaryOf(tool, directory) {
  return join(directory, tool.name, 'node_modules', tool.pkg, tool.file)
}

/**
 * @param {Tool} tool
 * @param {string} directory
 * @returns {string | undefined}
 */
function pinnedVersion(tool, directory) {
  return readJson(join(directory, tool.name, 'package.json')).optionalDependencies[tool.pkg]
}

/** npm hands its own configuration down to scripts, where it would override that of the directory at hand. */
function npmEnvironment() {
  const env = Object.entries(process.env).filter(
    ([name]) => !/^npm_(?:package|lifecycle|config_(?:local_)?prefix)/.test(name),
  )
  return Object.fromEntries(env)
}

/** @param {string} file */
export function readJson(file) {
  return JSON.parse(readFileSync(file, 'utf8'))
}
