import { type HostName, type HostRecord, RecordError } from '@mux/contract'
import type { RegistryStore } from '@mux/edge/registry'
import { CliError } from '../errors.ts'

/** The hosts whose records can be used, by name. */
export async function usableHosts(registry: RegistryStore): Promise<Map<string, HostRecord>> {
  const hosts = await registry.list('host')
  return new Map(hosts.flatMap(({ name, record }) => (record instanceof RecordError ? [] : [[name, record]])))
}

/** @throws {CliError} `host_not_found` with those that there are */
export function missingHost(known: ReadonlyMap<string, unknown>, host: HostName): never {
  const names = [...known.keys()]
  const there = names.length === 0 ? 'There are none yet.' : `There are: ${names.join(', ')}.`
  throw new CliError('host_not_found', `There is no host ${host}. ${there}`, {
    hint: `Make it known: mux host add ${host} --url URL`,
  })
}

/** The instances that are on a host, and the users who are sent there, by name. */
export async function pointingAt(
  registry: RegistryStore,
  host: HostName,
): Promise<{ instances: string[]; users: string[] }> {
  const instances = await registry.list('instance')
  const users = await registry.list('user')
  return {
    instances: instances.flatMap(({ name, record }) =>
      !(record instanceof RecordError) && record.host === host ? [name] : [],
    ),
    users: users.flatMap(({ name, record }) =>
      !(record instanceof RecordError) && record.target?.host === host ? [name] : [],
    ),
  }
}
