import { run as runOclif } from '@oclif/core/run'
import { settings } from '@oclif/core/settings'
import { wantsJson } from './base-command.ts'
import { endWithHost } from './end-with-host.ts'
import { CliError, defect, toCliError } from './errors.ts'
import { ROOT } from './program.ts'
import * as render from './render.ts'

/** Runs one command line; the process ends by itself, with the exit code that is set here. */
export async function run(argv: string[]): Promise<void> {
  settings.enableAutoTranspile = false
  hideSqliteWarning()
  endWithHost()
  // A reader that has gone is no reason to fail. What can't be written for another reason, such as a full disk, oclif throws
  // out of everybody's reach when the command has long done its part.
  process.stderr.on('error', () => {})
  process.stdout
    .removeAllListeners('error')
    .once('error', reportUnwritten)
    .on('error', () => {})
  // Of a supervisor that goes on after this nobody knows what it still does. It ends at once, with a code after which it is
  // started again (docs/service.md); its instances go on without it.
  const end = (error: unknown) => {
    report(argv, defect(error), error)
    process.exit()
  }
  process.once('uncaughtException', end)
  try {
    // Plugins of the user are not looked for: mux has none, and a home that cannot be read would be complained about.
    await runOclif(argv, { root: ROOT, userPlugins: false, devPlugins: false })
  } catch (error) {
    report(argv, toCliError(error), error)
  } finally {
    process.off('uncaughtException', end)
  }
}

function report(argv: string[], failure: CliError, error: unknown): void {
  if (wantsJson(argv)) process.stdout.write(`${render.json(failure)}\n`)
  else process.stderr.write(`${render.failure(failure)}\n`)
  if (process.env.DEBUG !== undefined) process.stderr.write(`${stackOf(error)}\n`)
  process.exitCode = failure.exitCode
}

function reportUnwritten({ code = 'unknown' }: NodeJS.ErrnoException): void {
  if (code === 'EPIPE') return
  const failure = new CliError('output_unwritable', `Standard output could not be written (${code}).`, {
    hint: 'What the command was to do is done all the same; what it says of it is lost.',
  })
  process.stderr.write(`${render.failure(failure)}\n`)
  process.exitCode = failure.exitCode
}

/** node:sqlite warns on every start that it is experimental, which tells an operator nothing. */
function hideSqliteWarning(): void {
  const emit = process.emitWarning.bind(process)
  process.emitWarning = (warning: string | Error, ...rest: unknown[]) => {
    if (!String(warning).includes('SQLite is an experimental feature'))
      Reflect.apply(emit, process, [warning, ...rest])
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
