import { Args } from '../../oclif.ts'
import { BaseCommand } from '../../base-command.ts'
import { instanceName } from '../../names.ts'
import { restartInstance } from '../../operations/order-instance.ts'

export default class InstanceRestart extends BaseCommand {
  static override summary = 'replace the process of one instance, without losing a request'
  static override description =
    'The new process has the settings that mux.yaml has now. If it does not become ready, the old one goes on serving. Returns when the old one is gone.'
  static override examples = ['<%= config.bin %> <%= command.id %> django2']
  static override args = {
    instance: Args.string({ description: 'name of the instance', required: true }),
  }

  async run() {
    const { args, flags } = await this.parse(InstanceRestart)
    const report = await restartInstance(this.findProject(flags), instanceName(args.instance))
    const { oldPid, newPid, drained, took } = report
    this.log(
      oldPid === null
        ? `${report.instance} was not running, and is now: process ${newPid}, ready after ${took} ms.`
        : `${report.instance} has a new process: ${oldPid} -> ${newPid}, in ${took} ms. ` +
            `The old one finished ${drained} ${drained === 1 ? 'request' : 'requests'} first.`,
    )
    return report
  }
}
