import { RecordError, type UserName } from '@mux/contract'
import type { RegistryStore } from '@mux/edge'
import { existing } from './existing-user.ts'
import { listTokens } from './tokens.ts'

export interface ListedUser {
  name: string
  instance: string | null
  disabled: boolean
  changed: string | null
  /** Why the record cannot be used; null when it can. */
  problem: string | null
}

export async function listUsers(registry: RegistryStore): Promise<ListedUser[]> {
  return (await registry.list('user')).map(({ name, record }) =>
    record instanceof RecordError
      ? { name, instance: null, disabled: true, changed: null, problem: record.message }
      : {
          name,
          instance: record.instance,
          disabled: record.disabled,
          changed: record.changed,
          problem: null,
        },
  )
}

export interface ShownUser {
  name: UserName
  instance: string | null
  host: string | null
  disabled: boolean
  hasPassword: boolean
  tokens: number
  version: number
  changed: string
}

/** @throws {CliError} `user_not_found` */
export async function showUser(registry: RegistryStore, name: UserName): Promise<ShownUser> {
  const { instance, target, disabled, password, version, changed } = await existing(registry, name)
  const tokens = await listTokens(registry, name)
  const host = target?.host ?? null
  return {
    name,
    instance,
    host,
    disabled,
    hasPassword: password !== null,
    tokens: tokens.length,
    version,
    changed,
  }
}
