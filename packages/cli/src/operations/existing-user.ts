import type { UserName, UserRecord } from '@mux/contract'
import type { RegistryReader } from '@mux/edge'
import { CliError } from '../errors.ts'

/** @throws {CliError} `user_not_found` */
export async function existing(registry: RegistryReader, user: UserName): Promise<UserRecord> {
  const found = await registry.read('user', user)
  if (found === undefined) throw userNotFound(user)
  return found
}

export function userNotFound(user: UserName): CliError {
  return new CliError('user_not_found', `There is no user ${user}.`, 'See who there is: mux user list')
}
