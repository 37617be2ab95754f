import { existsSync } from 'node:fs'
import { Readable, type Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import type { InstanceName, InstanceRecord } from '@mux/contract'
import { BaseCommand } from './base-command.ts'
import { untilSignal } from './end-signals.ts'
import { printableTo } from './printable.ts'
import type { Project } from './project.ts'
import { withoutFlags } from './remote-command.ts'
import type { RemoteHost } from './remote-host.ts'

/**
 * A command about an instance, which is here or on another host. There, the same command is run, in the project of that host:
 * what it does is done in one way, and where the files are.
 */
export abstract class InstanceCommand extends BaseCommand {
  /**
   * The host on which an instance is; null: here.
   * @throws {CliError} `key_unusable`, `host_unreachable` where there is no URL for it
   */
  protected async hostOf(project: Project, name: InstanceName): Promise<RemoteHost | null> {
    // A project that has none yet has no other hosts either, and who only looks makes none.
    if (!existsSync(project.state.registry)) return null
    const { withRegistry } = await import('./registry.ts')
    const { findRemote } = await import('./operations/find-place.ts')
    return withRegistry(project, (registry) => findRemote(project, registry, name))
  }

  /**
   * Runs what was typed on a host, and shows what it says there. The process ends with what it ends with there.
   * @param input what it reads from standard input
   * @param argv instead of what was typed behind the name of the command
   */
  protected async runThere(
    host: RemoteHost,
    {
      input,
      argv = withoutFlags(this.argv, ['project', 'host', 'on']),
    }: { input?: string | Readable | undefined; argv?: readonly string[] } = {},
  ): Promise<number> {
    const { runOnHost } = await import('./remote-host.ts')
    const args = [...this.id!.split(':'), ...argv]
    const stdin = typeof input === 'string' ? Readable.from([Buffer.from(input)]) : input
    const { columns, isTTY } = process.stdout
    const [stdout, stderr] = [shownBy(process.stdout), shownBy(process.stderr)]
    const code = await untilSignal((signal) =>
      runOnHost(host, args, {
        stdout,
        stderr,
        signal,
        ...(stdin === undefined ? {} : { stdin }),
        ...(isTTY && columns > 0 ? { columns } : {}),
      }),
    )
    await Promise.all([stdout, stderr].map(settled))
    process.exitCode = code
    return code
  }

  /**
   * On which hosts instances are, all that are on others where none are named.
   * @returns the names that are here, and by host those that are there
   */
  protected async placesOf(
    project: Project,
    names: readonly InstanceName[] | undefined,
  ): Promise<{ here: InstanceName[]; there: { host: RemoteHost; names: InstanceName[] }[] }> {
    const { withRegistry } = await import('./registry.ts')
    const { remoteInstances, requireRemote } = await import('./operations/find-place.ts')
    return withRegistry(project, async (registry) => {
      const remote = await remoteInstances(project, registry)
      const chosen = names ?? [...remote.keys()]
      const hosts = Map.groupBy(chosen, (name) => remote.get(name) ?? null)
      const there = [...hosts].flatMap(([host, on]) => (host === null ? [] : [{ host, names: on }]))
      return {
        here: hosts.get(null) ?? [],
        there: await Promise.all(
          there.map(async (one) => ({ ...one, host: await requireRemote(project, registry, one.host) })),
        ),
      }
    })
  }

  /** Has the registry say what is wanted of an instance that is on another host. */
  protected async record(
    project: Project,
    name: InstanceName,
    wanted: Pick<InstanceRecord, 'state' | 'message'>,
  ): Promise<boolean> {
    const { recordInstanceState } = await import('./operations/instance-state.ts')
    return this.withRegistry(project, (registry) => recordInstanceState(registry, name, wanted, null))
  }
}

/** What a host says is shown, and does nothing to a terminal: whoever has taken it over has not taken over its operator's. */
function shownBy(output: NodeJS.WriteStream): Writable {
  return output.isTTY ? printableTo(output) : output
}

/** When all that was to be shown is; what is none of ours is left as it is. */
async function settled(output: Writable): Promise<void> {
  if (output === process.stdout || output === process.stderr) return
  output.end()
  await finished(output)
}
