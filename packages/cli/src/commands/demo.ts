import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Flags } from '../oclif.ts'
import { BaseCommand } from '../base-command.ts'
import { DemoFailed, type Shown } from '../demo/proof.ts'
import { runDemo } from '../demo/run.ts'
import { createScreen } from '../demo/screen.ts'
import { UnexpectedAnswer } from '../demo/visitor.ts'
import { listenForEnd } from '../end-signals.ts'
import { CliError } from '../errors.ts'
import { ROOT } from '../program.ts'

/** The launcher of a clone; an installed mux is on the path instead. */
const LAUNCHER = join(ROOT, '../../mux')

export default class Demo extends BaseCommand {
  static override summary = 'see mux at work: three people, three instances, one URL'
  static override description =
    'Everything is made in a temporary directory and is gone afterwards. On a terminal it goes on until Ctrl-C, so that you can try it yourself.'
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --check',
  ]
  static override flags = {
    check: Flags.boolean({ description: 'end when everything has been shown, also on a terminal' }),
  }

  async run() {
    const { flags } = await this.parse(Demo)
    const stays = !flags.check && !this.jsonEnabled() && process.stdin.isTTY && process.stdout.isTTY
    const screen = createScreen()
    const steps: Shown[] = []
    const end = listenForEnd()
    let where = { url: '', directory: '' }
    try {
      await runDemo(this.config.version, end, {
        serves: (url, { directory }, taken) => {
          where = { url, directory }
          this.log(screen.opening(url, directory, taken))
        },
        shown: (shown) => {
          steps.push(shown)
          this.log(screen.step(shown))
        },
        proven: async (people) => {
          if (!stays) return
          this.log(screen.closing({ ...where, mux: muxCommand(), people }))
          await end.first
        },
      })
    } catch (error) {
      if (error instanceof DemoFailed || error instanceof UnexpectedAnswer)
        throw new CliError('demo_failed', error.message, { cause: error })
      throw error
    } finally {
      end.dispose()
    }
    if (!stays) this.log(screen.verdict())
    return { url: where.url, steps }
  }
}

/** How mux is called from where the reader is. */
function muxCommand(): string {
  if (!existsSync(LAUNCHER)) return 'mux'
  return process.cwd() === dirname(LAUNCHER) ? './mux' : LAUNCHER
}
