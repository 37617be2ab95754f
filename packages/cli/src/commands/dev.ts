import { BaseCommand } from '../base-command.ts'
import { listenForEnd } from '../end-signals.ts'
import { createEventLog } from '../event-log.ts'
import { listenOf } from '../listen-flag.ts'
import { Flags } from '../oclif.ts'
import { startDev } from '../operations/run-dev.ts'
import * as render from '../render.ts'

export default class Dev extends BaseCommand {
  static override summary = 'run the Worker on this machine, to work on the edge'
  static override description =
    "Runs the real Worker in workerd, Cloudflare's own runtime, before the host of this project, which is started if it does not run. The Worker is built anew when its source changes, and sees what commands change within seconds. Ctrl-C ends it all. For people to use, there is mux up."
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --listen 127.0.0.1:9000',
  ]
  static override flags = {
    listen: Flags.string({
      description: 'listen here, on this machine, instead of at edge.listen of mux.yaml',
      helpValue: 'ADDR:PORT',
    }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(Dev)
    const end = listenForEnd()
    try {
      const dev = await startDev(this.findProject(flags), {
        listen: listenOf(flags.listen),
        version: this.config.version,
        environment: process.env,
        log: createEventLog((line) => process.stderr.write(line)),
        tell: (text) => this.hint(text),
      })
      try {
        const { url, host, gateway, ownHost } = dev
        if (this.jsonEnabled()) this.logJson({ pid: process.pid, url, host, gateway, ownHost })
        this.log(
          `The Worker serves ${url}\n\n${render.fields([
            ['host', `${host}, at ${gateway}${ownHost ? '' : ', which runs already and goes on'}`],
            ['records', 'those of this project'],
          ])}\n`,
        )
        this.hint('Ctrl-C ends it.')
        await end.first
      } finally {
        await dev.close(end.hurry)
      }
    } finally {
      end.dispose()
    }
  }
}
