import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { InstanceName } from '@mux/contract'
import type { InstanceDefinition } from '@mux/instance'
import { archiveData, hasGeneration, repairDirectory, runHook, unpackData } from '@mux/instance/data'
import { CliError } from '../errors.ts'
import { readConfig } from '../mux-yaml.ts'
import type { Project } from '../project.ts'
import { hostStatus } from '../running-host.ts'
import { requireInstance } from './order-instance.ts'

/** How data leave or enter: by a command of the operator's, or as the directory that they are. */
export type CarriedBy = 'hook' | 'archive'

/**
 * Writes the data of an instance. As a directory they are taken only while nothing of the instance runs,
 * which could be in the middle of a write; a command of the operator's knows by itself how to read what is in use.
 * @throws {CliError} `instance_running`; {@link HookError}, {@link SettingsError}, and whatever the disk fails with
 */
export async function exportData(
  project: Project,
  name: InstanceName,
  stdout: Writable,
  signal: AbortSignal,
): Promise<CarriedBy> {
  const { definition, hook } = await findHook(project, name, 'export')
  if (hook !== null) {
    await runHook({ ...hookOptions(project, definition, signal), ...hook, stdout })
    return 'hook'
  }
  const before = await requireStopped(project, name)
  const data = dataOf(project, name)
  await repairDirectory(data)
  // One that has not run yet has none.
  await mkdir(data, { recursive: true, mode: 0o700 })
  await pipeline(archiveData(data), stdout, { signal, end: false })
  if ((await requireStopped(project, name)) !== before)
    throw new CliError(
      'instance_running',
      `${name} was started while its data were read: they may be half of each.`,
      {
        hint: `Keep it stopped meanwhile: mux instance stop ${name}`,
      },
    )
  return 'archive'
}

/**
 * Puts in the place of an instance's data what comes: all of it or, without a command of the operator's,
 * nothing. It has to be one that was stopped to stay so, or its first request would start it in the middle.
 * @throws {CliError} `instance_running`; {@link ArchiveError}, {@link HookError}, {@link SettingsError}
 */
export async function importData(
  project: Project,
  name: InstanceName,
  stdin: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<CarriedBy> {
  const { definition, hook } = await findHook(project, name, 'import')
  await requireStopped(project, name, true)
  if (hook !== null) {
    // What it says is for the operator, and no result.
    await runHook({
      ...hookOptions(project, definition, signal),
      ...hook,
      stdin,
      stdout: process.stderr,
    })
    return 'hook'
  }
  const data = dataOf(project, name)
  await repairDirectory(data)
  await unpackData(stdin, data)
  return 'archive'
}

/** @throws {CliError} `usage` where standard output is a terminal, which nothing of this is for */
export function requireNoTerminal(what: string, command: string): void {
  if (!process.stdout.isTTY) return
  throw new CliError(
    'usage',
    `${what} would be written to a terminal.`,
    `Write it to a file: ${command} > FILE`,
  )
}

async function findHook(project: Project, name: InstanceName, way: 'export' | 'import') {
  const config = await readConfig(project)
  const definition = requireInstance(config, name)
  const command = config.hooks.get(name)?.[way] ?? null
  return { definition, hook: command === null ? null : { field: `hooks.${way}`, command } }
}

function hookOptions({ state }: Project, definition: InstanceDefinition, signal: AbortSignal) {
  return { definition, stateDirectory: state.directory, environment: process.env, signal }
}

function dataOf({ state }: Project, name: InstanceName): string {
  return join(state.data, name)
}

/**
 * @param toStaySo also that no request would start it
 * @returns by what it is seen that it has run since
 */
async function requireStopped(project: Project, name: InstanceName, toStaySo = false): Promise<string> {
  const status = await hostStatus(project)
  const found = status?.instances.find((instance) => instance.name === name)
  const isRunning = found?.generation || hasGeneration(project.state.directory, name)
  if (isRunning || (toStaySo && found && found.state !== 'disabled'))
    throw new CliError(
      'instance_running',
      `${name} ${isRunning ? 'is running' : 'may be started by a request'}. Nothing was changed.`,
      {
        hint: `Stop it: mux instance stop ${name}   Or say in mux.yaml how its data leave and enter: app.hooks`,
      },
    )
  return JSON.stringify([status?.pid, found?.lastExit?.at, found?.crashes])
}
