import type { RestartReport } from '@mux/contract'
import { Args, Flags } from '../../oclif.ts'
import { listenForEnd } from '../../end-signals.ts'
import { CliError } from '../../errors.ts'
import { InstanceCommand } from '../../instance-command.ts'
import { readConfig } from '../../mux-yaml.ts'
import { instanceName } from '../../names.ts'
import { restartInstance } from '../../operations/order-instance.ts'
import { restartInstances, type RestartInstancesOrder } from '../../operations/restart-instances.ts'
import type { RollStep } from '../../operations/roll.ts'
import type { Project } from '../../project.ts'
import { answerOfHost } from '../../remote-command.ts'
import type { RemoteHost } from '../../remote-host.ts'

export default class InstanceRestart extends InstanceCommand {
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
    const { here, there } = await this.placesOf(project, flags.all ? undefined : names)
    if (names.length === 1) {
      if (there.length > 0) return void (await this.runThere(there[0]!.host))
      const report = await restartInstance(project, names[0]!)
      this.log(inWords(report))
      return report
    }
    const { parallel } = flags
    // Of a project whose instances are all on hosts, there is nothing to ask here.
    const isHere = here.length > 0 || (flags.all && (there.length === 0 || (await definesInstances(project))))
    const own = isHere ? await this.roll(project, { instances: flags.all ? undefined : here, parallel }) : []
    return this.rollThere(
      own,
      flags.all ? there.map(({ host }) => ({ host, names: ['--all'] })) : there,
      parallel,
    )
  }

  /** Host after host: the first on which one fails is the last that is begun. */
  private async rollThere(
    done: readonly unknown[],
    there: readonly { host: RemoteHost; names: readonly string[] }[],
    parallel: number,
  ): Promise<{ instances: unknown[] } | undefined> {
    const instances = [...done]
    for (const { host, names } of there) {
      const argv = [...names, '--parallel', `${parallel}`]
      if (!this.jsonEnabled()) {
        if ((await this.runThere(host, { argv })) !== 0) return undefined
        continue
      }
      try {
        const answer = await answerOfHost<Answer>(host, ['instance', 'restart', ...argv])
        instances.push(...stepsIn(answer))
      } catch (error) {
        if (!(error instanceof CliError)) throw error
        const { code, message, hint, details, report } = error
        const steps = [...instances, ...stepsIn(report)]
        throw new CliError(code, message, { hint, details, report: { instances: steps }, cause: error })
      }
    }
    if (instances.length === 0 && there.length === 0)
      this.log('No instance is running, so there was nothing to restart.')
    return { instances }
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
      let hasFailed = false
      const done = (step: RollStep) => {
        // The first that fails is what the command ends with.
        if (step.outcome !== 'failed' || hasFailed) this.log(describe(step))
        hasFailed ||= step.outcome === 'failed'
      }
      return await restartInstances(project, { ...order, stop: stop.signal, done })
    } finally {
      signals.dispose()
    }
  }
}

/** What a restart answers: of one instance its report, of several the steps. */
type Answer = { instances?: unknown[] } | RestartReport

function stepsIn(answer: Answer): unknown[] {
  if (!('instance' in answer)) return answer.instances ?? []
  return [{ ...answer, outcome: 'restarted' }]
}

async function definesInstances(project: Project): Promise<boolean> {
  return (await readConfig(project)).instances.length > 0
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
