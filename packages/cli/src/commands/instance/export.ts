import { Args, Flags } from '../../oclif.ts'
import { InstanceCommand } from '../../instance-command.ts'
import { CliError } from '../../errors.ts'
import { untilSignal } from '../../end-signals.ts'
import { instanceName } from '../../names.ts'
import { exportData, requireNoTerminal } from '../../operations/carry-data.ts'
import { carriedInstance } from '../../operations/carry-instance.ts'

export default class InstanceExport extends InstanceCommand {
  static override summary = 'write the data of an instance to standard output'
  static override description =
    'By the command of app.hooks.export in mux.yaml where there is one; else as a tar of its data directory, for which it must not run.'
  static override examples = ['<%= config.bin %> <%= command.id %> django2 > django2.tar']
  static override args = { name: Args.string({ description: 'name of the instance', required: true }) }
  static override flags = {
    definition: Flags.boolean({
      description: 'its own settings instead of its data, with what its secrets are',
    }),
  }

  async run() {
    const { args, flags } = await this.parse(InstanceExport)
    if (this.jsonEnabled())
      throw new CliError('usage', 'Standard output is for what is exported: leave out --json.')
    const project = this.findProject(flags)
    const name = instanceName(args.name)
    requireNoTerminal(flags.definition ? 'Secrets' : 'Data', `mux instance export ${name}`)
    const host = await this.hostOf(project, name)
    if (host) await this.runThere(host)
    else if (flags.definition) process.stdout.write(JSON.stringify(await carriedInstance(project, name)))
    else await untilSignal((signal) => exportData(project, name, process.stdout, signal))
  }
}
