import type { UserName } from '@mux/contract'
import { type RegistryStore, signOutEverywhere } from '@mux/edge/registry'
import { userNotFound } from './existing-user.ts'

/** @throws {CliError} `user_not_found` */
export async function signOutUser(registry: RegistryStore, user: UserName): Promise<void> {
  if (!(await signOutEverywhere(registry, user, Date.now()))) throw userNotFound(user)
}
