import { Args, Flags } from '../../oclif.ts'
import { InstanceCommand } from '../../instance-command.ts'
import { DURATION_RULE, parseDuration } from '../../config-values.ts'
import { CliError } from '../../errors.ts'
import { instanceName } from '../../names.ts'
import { instanceLog } from '../../operations/instance-log.ts'
import { readLines, readLog, type ReadLogOptions } from '../../operations/read-log.ts'
import { printable } from '../../printable.ts'
import type { RemoteHost } from '../../remote-host.ts'

const DEFAULT_LINES = 50

export default class InstanceLogs extends InstanceCommand {
  static override summary = 'show what an instance has written'
  static override description =
    'Works while nothing runs, too. Control characters are shown as escapes. With --follow it goes on until Ctrl-C.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> django2',
    '<%= config.bin %> <%= command.id %> django2 --follow --lines 100',
    '<%= config.bin %> <%= command.id %> django2 --since 10m',
  ]
  static override args = {
    instance: Args.string({ description: 'name of the instance', required: true }),
  }
  static override flags = {
    follow: Flags.boolean({ char: 'f', description: 'go on with what it writes from now on' }),
    lines: Flags.integer({
      char: 'n',
      description: 'how many of the last lines to begin with; 50, or all with --since',
      min: 0,
      max: 1_000_000,
      helpValue: 'N',
    }),
    since: Flags.string({
      description: 'begin with what was written so long ago, or at that time; to within a second',
      helpValue: '10m|TIME',
    }),
  }

  async run() {
    const { args, flags } = await this.parse(InstanceLogs)
    const project = this.findProject(flags)
    const name = instanceName(args.instance)
    const since = flags.since === undefined ? undefined : requireMoment(flags.since)
    const range = { lines: flags.lines ?? (since === undefined ? DEFAULT_LINES : null), since }
    if (this.jsonEnabled()) {
      if (flags.follow)
        throw new CliError('usage', 'One JSON document cannot follow a log: leave out --follow or --json.')
    }
    const host = await this.hostOf(project, name)
    if (host) {
      await this.showThere(host, flags.follow)
      return undefined
    }
    const log = await instanceLog(project, name)
    if (this.jsonEnabled()) return { ...log, lines: await readLines(log.file, range) }
    if (!log.present) this.hint(`${log.instance} has not written anything yet.`)
    await (flags.follow ? this.follow(log.file, range) : this.show(log.file, range))
    return log
  }

  private async showThere(host: RemoteHost, follow: boolean): Promise<void> {
    try {
      await this.runThere(host)
    } catch (error) {
      // That is how to leave it.
      if (!(follow && error instanceof CliError && error.code === 'interrupted')) throw error
    }
  }

  private async follow(file: string, range: ReadLogOptions): Promise<void> {
    const until = new AbortController()
    const end = () => until.abort()
    process.once('SIGINT', end)
    process.once('SIGTERM', end)
    // Whoever reads us has gone: without this, `| head` would leave us following for nobody.
    process.stdout.once('close', end)
    try {
      const missed = () => this.hint('It writes faster than it is shown: some of it has been rotated away.')
      await this.show(file, { ...range, follow: until.signal, missed })
    } finally {
      process.off('SIGINT', end)
      process.off('SIGTERM', end)
      process.stdout.off('close', end)
    }
  }

  private async show(file: string, options: ReadLogOptions): Promise<void> {
    for await (const piece of readLog(file, options)) {
      if (process.stdout.destroyed) return
      if (!process.stdout.write(printable(piece))) await drained(process.stdout)
    }
  }
}

/** Milliseconds since 1970 of `10m` ago, or of a time in ISO 8601. */
function requireMoment(text: string): number {
  const ago = parseDuration(text)
  const moment = ago === undefined ? parseTime(text) : Date.now() - ago
  if (moment !== undefined) return moment
  throw new CliError(
    'usage',
    `--since is ${JSON.stringify(text)}; expected ${DURATION_RULE}, or a time such as 2026-11-22T10:00:00Z.`,
  )
}

/** Without a zone it is the time of this machine. */
function parseTime(text: string): number | undefined {
  const isTime = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?$/.test(text)
  const moment = Date.parse(text)
  return isTime && !Number.isNaN(moment) ? moment : undefined
}

/** Waits for a slow reader, or for it to be gone. */
function drained(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off('drain', done)
      stream.off('close', done)
      resolve()
    }
    stream.once('drain', done)
    stream.once('close', done)
  })
}
