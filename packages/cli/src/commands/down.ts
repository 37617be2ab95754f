import { BaseCommand } from '../base-command.ts'
import { endProject } from '../operations/end-project.ts'

export default class Down extends BaseCommand {
  static override summary = 'end mux and every instance'
  static override description = `Requests under way come to their end first, within the limits in mux.yaml. Returns when everything is gone. Where mux has died, it ends what that left running.`
  static override examples = ['<%= config.bin %> <%= command.id %>']

  async run() {
    const { flags } = await this.parse(Down)
    const ended = await endProject(this.findProject(flags))
    if (ended.pid === null) {
      const names = ended.leftovers.map(({ instance, pid }) => `${instance} (process ${pid ?? 'unknown'})`)
      this.log(`mux had died. What it left running has ended: ${names.join(', ')}.`)
    } else {
      this.log(`mux has ended (it was process ${ended.pid}), and every instance with it.`)
    }
    return ended
  }
}
