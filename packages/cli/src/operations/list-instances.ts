import { join } from 'node:path'
import {
  type HostName,
  type InstanceName,
  type InstanceRecord,
  type InstanceStatus,
  RecordError,
} from '@mux/contract'
import type { RegistryStore } from '@mux/edge'
import type { InstanceDefinition } from '@mux/instance'
import { type ProjectConfig, readConfig } from '../mux-yaml.ts'
import type { Project } from '../project.ts'
import { answerOfHost } from '../remote-command.ts'
import type { RemoteHost } from '../remote-host.ts'
import { hostStatus } from '../running-host.ts'
import { askHosts } from './ask-hosts.ts'
import { noInstance } from './no-instance.ts'
import { remoteInstances } from './find-place.ts'

/** How long the supervisor may take to say how its instances are, in milliseconds. */
const PATIENCE = 1_500

export interface ListedInstance {
  name: InstanceName
  /** The host that it is on; null: here. */
  host: HostName | null
  users: string[]
  routes: string[]
  /** What the operator wants. */
  state: InstanceRecord['state']
  /** How it is; null when mux is not running, or does not say. */
  status: InstanceStatus | null
  /** Names of the settings that are its own; null where they are not known here. */
  ownSettings: readonly string[] | null
}

/** The instances that mux.yaml defines and, behind them, those on other hosts, which are asked how they are. */
export async function listInstances(project: Project, registry: RegistryStore): Promise<ListedInstance[]> {
  const config = await readConfig(project)
  const users = await byInstance(registry, 'user')
  const routes = await byInstance(registry, 'route')
  const remote = await remoteInstances(project, registry)
  const hosts = remote.size === 0 ? [] : await askHosts(project, registry)
  const statuses = await statusByInstance(project)
  const listed = async (name: InstanceName, host: HostName | null, status: InstanceStatus | null) => ({
    name,
    host,
    users: users.get(name) ?? [],
    routes: routes.get(name) ?? [],
    state: (await registry.read('instance', name))?.state ?? 'open',
    status,
    ownSettings: host === null ? config.ownSettings.get(name)! : null,
  })
  const here = config.instances.filter(({ name }) => !remote.has(name))
  const statusOn = (host: HostName, name: InstanceName) =>
    hosts.find((asked) => asked.name === host)?.status?.instances.find((one) => one.name === name) ?? null
  return Promise.all([
    ...here.map(({ name }) => listed(name, null, statuses.get(name) ?? null)),
    ...[...remote].map(([name, host]) => listed(name, host, statusOn(host, name))),
  ])
}

export interface ShownSetting {
  name: string
  /** Null for a secret, which is shown nowhere. */
  value: string | null
  from: 'app' | 'instance'
}

export interface ShownInstance
  extends
    Omit<ListedInstance, 'ownSettings' | 'host'>,
    Omit<InstanceDefinition, 'settings' | 'name' | 'entry'> {
  message: string | null
  settings: ShownSetting[]
  data: string
  log: string
}

/** @throws {CliError} `instance_not_found` */
export async function showInstance(
  project: Project,
  registry: RegistryStore,
  name: InstanceName,
): Promise<ShownInstance> {
  const config = await readConfig(project)
  const definition = config.instances.find((instance) => instance.name === name)
  if (definition === undefined) throw noInstance(config, name, `Add it: mux instance add ${name}`)
  const record = await registry.read('instance', name)
  const { entry: _, ...fields } = definition
  return {
    ...fields,
    settings: shownSettings(config, definition),
    users: (await byInstance(registry, 'user')).get(name) ?? [],
    routes: (await byInstance(registry, 'route')).get(name) ?? [],
    state: record?.state ?? 'open',
    status: (await statusByInstance(project)).get(name) ?? null,
    message: record?.message ?? null,
    data: join(project.state.data, name),
    log: join(project.state.logs, `${name}.log`),
  }
}

/** The same of one on another host, with those who lead to it, who are known here alone. */
export async function showThere(
  registry: RegistryStore,
  host: RemoteHost,
  name: InstanceName,
): Promise<ShownInstance> {
  return {
    ...(await answerOfHost<ShownInstance>(host, ['instance', 'show', name])),
    users: (await byInstance(registry, 'user')).get(name) ?? [],
    routes: (await byInstance(registry, 'route')).get(name) ?? [],
  }
}

function shownSettings(config: ProjectConfig, { name, settings }: InstanceDefinition): ShownSetting[] {
  const own = config.ownSettings.get(name)!
  return Object.entries(settings).map(([key, value]) => ({
    name: key,
    value: typeof value === 'string' ? value : null,
    from: own.includes(key) ? 'instance' : 'app',
  }))
}

/** What mux.yaml and the registry say can be told without the supervisor, so its silence is no failure. */
async function statusByInstance(project: Project): Promise<Map<InstanceName, InstanceStatus>> {
  const status = await hostStatus(project, PATIENCE).catch(() => undefined)
  return new Map(status?.instances.map((instance) => [instance.name, instance]))
}

async function byInstance(registry: RegistryStore, kind: 'user' | 'route'): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>()
  for (const { name, record } of await registry.list(kind)) {
    if (record instanceof RecordError || record.instance === null) continue
    found.set(record.instance, [...(found.get(record.instance) ?? []), name])
  }
  return found
}
