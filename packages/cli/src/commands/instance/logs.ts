import { Args, Flags } from '../../oclif.ts'
import { BaseCommand } from '../../base-command.ts'
import { CliError } from '../../errors.ts'
import { instanceName } from '../../names.ts'
import { instanceLog } from '../../operations/instance-log.ts'
import { readLog } from '../../operations/read-log.ts'
import { printable } from '../../printable.ts'

export default class InstanceLogs extends BaseCommand {
  static override summary = 'show what an instance has written'
  static override description =
    'Works while nothing runs, too. Control characters are shown as escapes. With --follow it goes on until Ctrl-C.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> django2',
    '<%= config.bin %> <%= command.id %> django2 --follow --lines 100',
  ]
  static override args = {
    instance: Args.string({ description: 'name of the instance', required: true }),
  }
  static override flags = {
    follow: Flags.boolean({ char: 'f', description: 'go on with what it writes from now on' }),
    lines: Flags.integer({
      char: 'n',
      description: 'how many of the last lines to begin with',
      default: 50,
      min: 0,
      max: 1_000_000,
      helpValue: 'N',
    }),
  }

  async run() {
    const { args, flags } = await this.parse(InstanceLogs)
    const log = await instanceLog(this.findProject(flags), instanceName(args.instance))
    if (this.jsonEnabled()) {
      if (flags.follow)
        throw new CliError('usage', 'One JSON document cannot follow a log: leave out --follow or --json.')
      let text = ''
      for await (const piece of readLog(log.file, { lines: flags.lines })) text += piece
      return { ...log, lines: text === '' ? [] : text.replace(/\n$/, '').split('\n') }
    }
    if (!log.present) this.hint(`${log.instance} has not written anything yet.`)
    await (flags.follow ? this.follow(log.file, flags.lines) : this.show(log.file, { lines: flags.lines }))
    return log
  }

  private async follow(file: string, lines: number): Promise<void> {
    const until = new AbortController()
    const end = () => until.abort()
    process.once('SIGINT', end)
    process.once('SIGTERM', end)
    // Whoever reads us has gone: without this, `| head` would leave us following for nobody.
    process.stdout.once('close', end)
    try {
      await this.show(file, { lines, follow: until.signal })
    } finally {
      process.off('SIGINT', end)
      process.off('SIGTERM', end)
      process.stdout.off('close', end)
    }
  }

  private async show(file: string, options: Parameters<typeof readLog>[1]): Promise<void> {
    for await (const piece of readLog(file, options)) {
      if (process.stdout.destroyed) return
      if (!process.stdout.write(printable(piece))) await drained(process.stdout)
    }
  }
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
