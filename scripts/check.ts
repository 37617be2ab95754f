// Everything that must hold before a change is handed in, in one command: npm test.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { endAllSteps, runStep, type Outcome, type Step } from './step.ts'
import { TALLY_FILE } from './tally-reporter.ts'
import { lastLine, readTap, readUnittest, skipLines, sum, type Tally } from './tally.ts'

const root = join(import.meta.dirname, '..')
const bin = join(root, 'node_modules', '.bin')
const scratch = mkdtempSync(join(tmpdir(), 'mux-check-'))

// Its second line: where the Node and the pnpm are that everything below calls by name.
const [, toolPath] = readFileSync(join(root, 'node_modules', '.mux-ready'), 'utf8').split('\n')
Object.assign(process.env, {
  PATH: `${toolPath}${delimiter}${process.env.PATH}`,
  // The same here as in CI: what a test starts must not find a terminal's colours.
  NO_COLOR: '1',
  DO_NOT_TRACK: '1',
  TURBO_TELEMETRY_DISABLED: '1',
  WRANGLER_SEND_METRICS: 'false',
  // Thousands of processes of Node are started below, most of the same few programs: each is compiled once for all of them.
  NODE_COMPILE_CACHE: join(scratch, 'compiled'),
})

process.once('exit', () => {
  endAllSteps()
  rmSync(scratch, { recursive: true, force: true })
})
for (const [signal, number] of [
  ['SIGINT', 2],
  ['SIGTERM', 15],
  ['SIGHUP', 1],
] as const)
  process.once(signal, () => process.exit(128 + number))

/** What judges times of a few milliseconds has the processors to itself. */
const TIMED = 'neighbours.test.ts'

const outcomes: Outcome[] = []
// What only reads can share the two processors.
await Promise.all([
  inOrder([
    check('format', 'oxfmt', '--check'),
    check('lint', 'oxlint', '--deny-warnings'),
    check('unused code', 'knip'),
  ]),
  inOrder([check('types', 'turbo', 'run', 'typecheck', '--output-logs=errors-only')]),
])
// The tests of one part wait for processes as much as they compute, so three parts at a time fill two processors.
// The two that take longest have nothing behind them.
const parts = readdirSync(join(root, 'packages')).map((name) => `packages/${name}`)
await Promise.all([
  inOrder([vitest('packages/cli')]),
  inOrder([vitest('test', '--exclude', `src/${TIMED}`)]),
  inOrder([
    ...parts.filter((part) => part !== 'packages/cli').map((part) => vitest(part)),
    ...djangoTest('examples/django'),
    nodeTest('examples/notes'),
    vitest('scripts'),
    vitest('bench'),
  ]),
])
await inOrder([vitest('test', `src/${TIMED}`)])
report()

function check(title: string, command: string, ...args: string[]): Step {
  return { title, command: [join(bin, command), ...args], directory: root, limit: 180 }
}

/** @param which files of it, by vitest's arguments; all of them by default */
function vitest(directory: string, ...which: string[]): Step {
  const file = join(scratch, `${[directory, ...which].join('-').replaceAll('/', '-')}.json`)
  const reporter = join(import.meta.dirname, 'tally-reporter.ts')
  return {
    title: directory,
    command: [join(bin, 'vitest'), 'run', ...which, '--reporter=default', `--reporter=${reporter}`],
    directory: join(root, directory),
    limit: 1500,
    environment: { [TALLY_FILE]: file },
    tally: () => (existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Tally) : undefined),
  }
}

function nodeTest(directory: string): Step {
  return {
    title: directory,
    command: [process.execPath, '--test', '--test-reporter=tap'],
    directory: join(root, directory),
    limit: 120,
    tally: readTap,
  }
}

/** Its tests need a Python with Django and gunicorn. Without one they are skipped by name; in CI that is a failure. */
function djangoTest(directory: string): Step[] {
  const python = ['python3', '/usr/bin/python3'].find(
    (name) => spawnSync(name, ['-c', 'import django, gunicorn'], { timeout: 20_000 }).status === 0,
  )
  if (python === undefined && !process.env.CI) {
    const reason = 'python3 has no Django or no gunicorn (Debian: python3-django, gunicorn)'
    show({
      title: directory,
      ok: true,
      seconds: 0,
      hasTests: true,
      output: '',
      tally: { passed: 0, failed: 0, failures: [], skipped: [`${directory}: ${reason}`] },
    })
    return []
  }
  const command: Step['command'] = [python ?? 'python3', 'test_site.py', '-v']
  return [{ title: directory, command, directory: join(root, directory), limit: 180, tally: readUnittest }]
}

async function inOrder(steps: Step[]): Promise<void> {
  for (const step of steps) show(await runStep(step))
}

function show(outcome: Outcome): void {
  outcomes.push(outcome)
  const { title, ok, seconds, tally, hasTests } = outcome
  const tests = hasTests ? lastLine(tally) : ''
  console.log(
    `${ok ? 'ok  ' : 'FAIL'} ${title.padEnd(20)} ${seconds.toFixed(1).padStart(6)} s  ${tests}`.trimEnd(),
  )
  if (!ok) console.log(`\n${outcome.output.trimEnd()}\n`)
}

function report(): void {
  const total = sum(outcomes.map(({ tally }) => tally))
  for (const { tally, output } of outcomes) for (const line of skipLines(tally, output)) console.log(line)
  const failed = outcomes.filter(({ ok }) => !ok).map(({ title }) => title)
  if (failed.length > 0) console.log(`failed: ${failed.join(', ')}`)
  // Once more at the end, which is what a log that was cut still has.
  for (const { title, tally } of outcomes)
    for (const failure of tally.failures) console.log(`  ${title}: ${failure}`)
  console.log(lastLine(total))
  process.exitCode = failed.length > 0 ? 1 : 0
}
