import type { RestartReport } from '@mux/contract'
import { Args, Flags } from '../../oclif.ts'
import { BaseCommand } from '../../base-command.ts'
import { listenForEnd } from '../../end-signals.ts'
import { CliError } from '../../errors.ts'
import { instanceName } from '../../names.ts'
import { restartInstance } from '../../operations/order-instance.ts'
import { restartInstances, type RestartInstancesOrder } from '../../operations/restart-instances.ts'
import type { RollStep } from '../../operations/roll.ts'
import type { Project } from '../../project.ts'

export default class InstanceRestart extends BaseCommand {
  static override summary = 'replace the process of instances, without losing a request'
  static override description =
    'The new process has the settings that mux.yaml has now. If it does not become ready, the old one goes on serving. Returns when the old one is gone.\nSeveral, or --all that run, follow each other; the first that fails is the last that is begun. So it is with Ctrl-C.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> django2',
    '<%= config.bin %> <%= command.id %> --all',
    '<%= config.bin %> <%= command.id %> --all --parallel 3',
  ]
  static override strict = false
  static override usage = 'instance restart NAME... | --all [--parallel N]'
  static override args = {
    instance: Args.string({ description: 'name of the instance, or several' }),
  }
  static override flags = {
    all: Flags.boolean({ description: 'all instances that run', default: false }),
    parallel: Flags.integer({
      description: 'how many at a time',
      min: 1,
      max: 100,
      default: 1,
      helpValue: 'N',
    }),
  }

  async run() {
    const { argv, flags } = await this.parse(InstanceRestart)
    const names = [...new Set((argv as string[]).map(instanceName))]
    if (flags.all === names.length > 0)
      throw new CliError('usage', flags.all ? 'Name instances, or --all of them.' : 'INSTANCE is missing.', {
        hint: 'See: mux instance restart --help',
      })
    const project = this.findProject(flags)
    if (names.length !== 1) {
      return this.roll(project, { instances: flags.all ? undefined : names, parallel: flags.parallel })
    }
    const report = await restartInstance(project, names[0]!)
    this.log(inWords(report))
    return report
  }

  private async roll(project: Project, order: Pick<RestartInstancesOrder, 'instances' | 'parallel'>) {
    const stop = new AbortController()
    const signals = listenForEnd()
    void signals.first.then(() => {
      // The next one ends this process at once; what is under way is carried out by mux itself.
      signals.dispose()
      stop.abort()
      this.hint('What is under way ends first. To leave at once: Ctrl-C')
    })
    try {
      const done = (step: RollStep) => this.log(describe(step))
      const instances = await restartInstances(project, { ...order, stop: stop.signal, done })
      if (instances.length === 0) this.log('No instance is running, so there was nothing to restart.')
      return { instances }
    } finally {
      signals.dispose()
    }
  }
}

function describe(step: RollStep): string {
  if (step.outcome === 'restarted') return inWords(step)
  return step.outcome === 'failed'
    ? `${step.instance} could not be restarted: ${step.error.message}`
    : `${step.instance} is not running any more, and needs no restart.`
}

function inWords({ instance, oldPid, newPid, drained, took }: RestartReport): string {
  return oldPid === null
    ? `${instance} was not running, and is now: process ${newPid}, ready after ${took} ms.`
    : `${instance} has a new process: ${oldPid} -> ${newPid}, in ${took} ms. ` +
        `The old one finished ${drained} ${drained === 1 ? 'request' : 'requests'} first.`
}
