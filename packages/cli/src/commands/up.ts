import { Flags } from '../oclif.ts'
import { BaseCommand } from '../base-command.ts'
import { type ListenAddress, listenText } from '../config-values.ts'
import { type Embedded, startEmbedded } from '../embedded.ts'
import { listenForEnd } from '../end-signals.ts'
import { toCliError } from '../errors.ts'
import { createEventLog } from '../event-log.ts'
import { originOf } from '../host-flags.ts'
import { type HostOverrides, hostRole } from '../host-role.ts'
import type { HostSection } from '../host-section.ts'
import { listenOf } from '../listen-flag.ts'
import { readConfig } from '../mux-yaml.ts'
import { hostName } from '../names.ts'
import { describeProject, type ProjectOverview } from '../operations/describe-project.ts'
import { startDetached } from '../operations/start-detached.ts'
import type { Project } from '../project.ts'
import * as render from '../render.ts'
import { findServiceManager } from '../service-manager.ts'
import { findStarter } from '../starter.ts'

interface UpOptions {
  project: Project
  listen: ListenAddress | undefined
  host: Omit<HostOverrides, 'listen'>
}

export default class Up extends BaseCommand {
  static override summary = 'start mux: the URL that everybody opens, and the instances behind it'
  static override description = `Runs until Ctrl-C or "mux down", and then ends every instance. What happens is told on standard error, or in .mux/logs/mux.log with --detach.`
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --detach',
    '<%= config.bin %> <%= command.id %> --listen 127.0.0.1:9000',
  ]
  static override flags = {
    detach: Flags.boolean({
      char: 'd',
      description: 'run in the background; returns when it takes requests',
    }),
    listen: Flags.string({
      description: 'listen here instead of at edge.listen of mux.yaml, or host.listen on a host',
      helpValue: 'ADDR:PORT',
    }),
    host: Flags.string({
      description: 'serve an edge that runs elsewhere, as this host; mux.yaml may say so instead',
      helpValue: 'NAME',
      helpGroup: 'CLOUDFLARE',
    }),
    origin: Flags.string({
      description: 'the URL by which that edge reaches this host, instead of host.origin of mux.yaml',
      helpValue: 'URL',
      helpGroup: 'CLOUDFLARE',
    }),
  }

  async run() {
    const { flags } = await this.parse(Up)
    const options: UpOptions = {
      project: this.findProject(flags),
      listen: listenOf(flags.listen),
      host: {
        name: flags.host === undefined ? undefined : hostName(flags.host),
        origin: originOf(flags.origin, '--origin'),
      },
    }
    if (flags.detach) return this.runDetached(options)
    await this.runHere(options)
    return undefined
  }

  private async runDetached({ project, listen, host }: UpOptions) {
    const role = hostRole(await readConfig(project), { ...host, listen })
    const started = await startDetached(project, [
      ...(listen ? ['--listen', listenText(listen)] : []),
      ...(host.name === undefined ? [] : ['--host', host.name]),
      ...(host.origin === undefined ? [] : ['--origin', host.origin]),
    ])
    const overview = await describeProject(project)
    this.log(summary(started.url, role, overview))
    this.hint(`It is process ${started.pid}. To end it: mux down`)
    return { ...started, ...overview }
  }

  private async runHere(options: UpOptions): Promise<void> {
    // That nobody can be told where it serves must not keep it from serving, nor from ending well.
    process.stdout.removeAllListeners('error').on('error', () => {})
    const starter = findStarter()
    const end = listenForEnd(starter?.gone)
    const log = createEventLog((line) => process.stderr.write(line))
    const environment = process.env
    const manager = findServiceManager(environment, log)
    try {
      const mux = await startEmbedded({ ...options, version: this.config.version, environment, log })
      try {
        if (starter) await starter.tell({ event: 'mux-up', pid: process.pid, url: mux.url })
        else await this.announce(mux, options)
        await manager?.ready(mux.url)
        await Promise.race([end.first, mux.endOrdered])
      } finally {
        await Promise.all([manager?.stopping(mux.endLimit), mux.close(end.hurry)])
      }
    } catch (error) {
      if (!starter) throw error
      // The one who hears of it is the starter; the log, which other processes write to as well, gets a line of it.
      const { code, message, hint, details, exitCode } = toCliError(error)
      log({ event: 'start_failed', pid: process.pid, code, message })
      await starter.tell({ event: 'mux-failed', code, message, hint, details })
      process.exitCode = exitCode
    } finally {
      end.dispose()
    }
  }

  private async announce({ url, role }: Embedded, { project }: UpOptions): Promise<void> {
    const overview = await describeProject(project)
    // It goes on running, so the document cannot wait for the end of the command.
    if (this.jsonEnabled()) this.logJson({ pid: process.pid, url, ...overview })
    this.log(summary(url, role, overview))
    this.hint('Ctrl-C ends it, and every instance with it.')
  }
}

function summary(
  url: string,
  host: HostSection | undefined,
  { instances, users, logs }: ProjectOverview,
): string {
  // Those of a host are for the most part known elsewhere.
  const nobody = host ? 'none here' : 'none yet; add the first one: mux user add NAME'
  const people = users === 0 ? nobody : String(users)
  const role = host ? ` as the host ${host.name}, for an edge that reaches it at ${host.origin}` : ''
  return `mux serves ${url}${role}\n\n${render.fields([
    ['instances', someOf(instances) || 'none yet; add one: mux instance add NAME'],
    ['users', people],
    ['logs', logs],
  ])}\n`
}

/** As many names as fit a line. */
function someOf(names: readonly string[]): string {
  const shown = names.slice(0, 5).join(', ')
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown
}
