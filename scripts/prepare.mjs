// @ts-check
// Makes a clone ready to run: a Node that can, pnpm, the dependencies, the build; each only if it is not there yet.
// Plain JavaScript for Node 18, without dependencies. All it says goes to stderr.
import { spawnSync } from 'node:child_process'
import { existsSync, renameSync, utimesSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { withLock } from './lock.mjs'
import { bring, find, isAtLeast, PrepareError, readJson, TOOLS, versionOf } from './toolchain.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const toolchain = join(root, 'scripts', 'toolchain')
/** Two lines: the Node to use, and the head of a `PATH` with it and pnpm. `scripts/node` compares its age with the sources. */
const stamp = join(root, 'node_modules', '.mux-ready')

try {
  await withLock(join(toolchain, '.lock'), prepare)
} catch (error) {
  const code = /** @type {NodeJS.ErrnoException} */ (error)?.code
  if (error instanceof PrepareError) fail(error.message)
  if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM')
    fail(
      `this clone is not ready to run and cannot be written to; run ${join(root, 'mux')} once as its owner.`,
    )
  throw error
}

function prepare() {
  const manifest = readJson(join(root, 'package.json'))
  const minimum = manifest.engines.node.replace('>=', '')
  const [, pnpmVersion] = manifest.packageManager.split('@')
  const startedAt = new Date()

  const node = isAtLeast(process.versions.node, minimum)
    ? process.execPath
    : (find(TOOLS.node, toolchain) ??
      step(`bringing Node through npm (${minimum} is needed, this is ${process.versions.node})`, () =>
        bring(TOOLS.node, toolchain, `install Node ${minimum} or newer (https://nodejs.org)`),
      ))
  const pnpm = versionOf('pnpm')?.startsWith(`${pnpmVersion.split('.')[0]}.`)
    ? 'pnpm'
    : (find(TOOLS.pnpm, toolchain) ??
      step('bringing pnpm through npm', () =>
        bring(TOOLS.pnpm, toolchain, `install pnpm ${pnpmVersion} (https://pnpm.io/installation)`),
      ))

  // turbo calls both by name.
  const toolPath = [dirname(node), ...(pnpm === 'pnpm' ? [] : [dirname(pnpm)])].join(delimiter)
  const env = {
    ...process.env,
    PATH: [toolPath, process.env.PATH].join(delimiter),
    // No prompt: an install that replaces node_modules would ask on a terminal that nobody may be at.
    CI: 'true',
    DO_NOT_TRACK: '1',
    TURBO_TELEMETRY_DISABLED: '1',
    TURBO_NO_UPDATE_NOTIFIER: '1',
    pnpm_config_update_notifier: 'false',
  }
  const install = () => run(pnpm, ['install', '--frozen-lockfile', '--prefer-offline'], env)
  const build = () =>
    run(
      node,
      [join(root, 'node_modules', 'turbo', 'bin', 'turbo'), 'run', 'build', '--output-logs=errors-only'],
      env,
    )
  if (existsSync(stamp)) {
    step('bringing this clone up to date', () => {
      install()
      build()
    })
  } else {
    step('installing dependencies', install)
    step('building', build)
  }

  // As old as the start: what was edited during the build is newer, and built the next time.
  const temporary = `${stamp}.${process.pid}`
  writeFileSync(temporary, `${node}\n${toolPath}\n`)
  utimesSync(temporary, startedAt, startedAt)
  renameSync(temporary, stamp)
}

/**
 * @template T
 * @param {string} title
 * @param {() => T} work
 */
function step(title, work) {
  const start = Date.now()
  process.stderr.write(`mux: ${title} ...`)
  const result = work()
  process.stderr.write(` ${((Date.now() - start) / 1000).toFixed(1)} s\n`)
  return result
}

/**
 * @param {string} command
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} env
 */
function run(command, args, env) {
  const result = spawnSync(command, args, {
    cwd: root,
    env,
    encoding: 'utf8',
    timeout: 600_000,
    maxBuffer: 1 << 26,
  })
  if (result.status === 0) return
  process.stderr.write(`\n${result.stdout ?? ''}${result.stderr ?? ''}`)
  throw new PrepareError(
    `${args.join(' ')} failed (${result.error?.message ?? `exit code ${result.status ?? result.signal}`}).`,
  )
}

/**
 * @param {string} message
 * @returns {never}
 */
function fail(message) {
  process.stderr.write(`\nmux: ${message}\n`)
  process.exit(1)
}
