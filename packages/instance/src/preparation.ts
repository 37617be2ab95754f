import { existsSync } from 'node:fs'
import type { Cgroup } from './cgroup.ts'
import type { InstanceDefinition } from './definition.ts'
import type { Dwelling } from './dwelling.ts'
import type { Preparation } from './launcher.ts'
import { bubblewrapArguments, mayHaveProc } from './sandbox.ts'

/** What is to be done to the process of a generation before it turns into the program. */
export async function preparationOf(
  definition: InstanceDefinition,
  dwelling: Dwelling,
  stateDirectory: string,
  cgroup: Cgroup | undefined,
): Promise<Preparation> {
  const { nice, umask, limits } = definition
  return {
    account: dwelling.account,
    nice,
    umask,
    files: limits.files,
    // What a group bounds for this generation alone need not be bounded for all of its user.
    processes: cgroup?.boundsProcesses ? null : limits.processes,
    cgroup: cgroup?.path,
    sandbox: await sandboxOf(definition, dwelling, stateDirectory),
  }
}

async function sandboxOf(
  { sandbox, directory }: InstanceDefinition,
  { account, data, socketDirectory }: Dwelling,
  stateDirectory: string,
): Promise<readonly string[] | null> {
  if (!sandbox || socketDirectory === null) return null
  const ownProc = await mayHaveProc(account)
  return bubblewrapArguments({ stateDirectory, directory, data, socketDirectory, ownProc }, existsSync)
}
