import { BaseCommand } from '../base-command.ts'
import { endSupervisor } from '../operations/end-supervisor.ts'

export default class Down extends BaseCommand {
  static override summary = 'end mux and every instance'
  static override description = `Requests under way come to their end first, within the limits in mux.yaml. Returns when everything is gone.`
  static override examples = ['<%= config.bin %> <%= command.id %>']

  async run() {
    const { flags } = await this.parse(Down)
    const ended = await endSupervisor(this.findProject(flags))
    this.log(`mux has ended (it was process ${ended.pid}), and every instance with it.`)
    return ended
  }
}
