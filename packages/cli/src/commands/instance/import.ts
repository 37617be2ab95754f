import { Args, Flags } from '../../oclif.ts'
import { CARRIED_MAX, decodeCarriedInstance } from '@mux/contract'
import { readText } from '../../ask.ts'
import { InstanceCommand } from '../../instance-command.ts'
import { untilSignal } from '../../end-signals.ts'
import { CliError } from '../../errors.ts'
import { instanceName } from '../../names.ts'
import { importData } from '../../operations/carry-data.ts'
import { receiveInstance } from '../../operations/carry-instance.ts'

export default class InstanceImport extends InstanceCommand {
  static override summary =
    'put the data of an instance in the place of those that it has, from standard input'
  static override description =
    'By the command of app.hooks.import in mux.yaml where there is one; else from a tar, all of it or nothing. The instance must be stopped (mux instance stop).'
  static override examples = ['<%= config.bin %> <%= command.id %> django2 < django2.tar']
  static override args = { name: Args.string({ description: 'name of the instance', required: true }) }
  static override flags = {
    definition: Flags.boolean({
      description:
        'define the instance, by what mux instance export --definition has written; it stays stopped',
    }),
  }

  async run() {
    const { args, flags } = await this.parse(InstanceImport)
    const project = this.findProject(flags)
    const name = instanceName(args.name)
    if (process.stdin.isTTY)
      throw new CliError(
        'usage',
        'Standard input is a terminal.',
        `Read a file: mux instance import ${name} < FILE`,
      )
    const host = await this.hostOf(project, name)
    if (host) return void (await this.runThere(host, { input: process.stdin }))
    if (flags.definition) {
      const carried = decodeCarriedInstance(await readText('definition', CARRIED_MAX))
      if (carried === undefined)
        throw new CliError('usage', 'Standard input has no definition of an instance of this version of mux.')
      await this.withRegistry(project, (registry) => receiveInstance(project, registry, name, carried))
      this.log(`Defined ${name}. It stays stopped until: mux instance start ${name}`)
      return { instance: name, defined: true }
    }
    const by = await untilSignal((signal) => importData(project, name, process.stdin, signal))
    this.log(`${name} has the data that came${by === 'hook' ? ', by hooks.import' : ''}.`)
    this.hint(`To let it serve: mux instance start ${name}`)
    return { instance: name, by }
  }
}
