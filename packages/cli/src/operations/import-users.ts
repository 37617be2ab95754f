import { readFile, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { InstanceName, UserName } from '@mux/contract'
import type { PasswordKind, RegistryStore } from '@mux/edge/registry'
import { CliError } from '../errors.ts'
import { type HtpasswdEntry, readHtpasswd } from '../htpasswd.ts'
import type { Project } from '../project.ts'
import { addUser } from './add-user.ts'

/** The largest file that is read, in bytes: some ten thousand people. */
const MAX_FILE = 1024 * 1024

export interface ImportedUser {
  user: UserName
  instance: InstanceName
  kind: PasswordKind
}

export interface ImportResult {
  added: ImportedUser[]
  /** Those who were there already; nothing of theirs was changed. */
  present: UserName[]
}

/**
 * The people of an htpasswd file; every line of it can be taken.
 * @throws {CliError} `file_unusable` naming each line that cannot
 */
export async function readPeople(file: string): Promise<HtpasswdEntry[]> {
  const { entries, problems } = readHtpasswd(await readText(resolve(file)))
  if (problems.length === 0) return entries
  const count = problems.length === 1 ? 'a line' : `${problems.length} lines`
  throw new CliError('file_unusable', `${file} has ${count} that cannot be taken.`, {
    hint: 'Nothing was changed. Take them out, and add those people with: mux user add NAME',
    details: problems,
  })
}

/**
 * Adds people one after the other, each with all that `mux user add` does. Whoever is there already is passed over, so an
 * import that was interrupted is finished by the same command.
 * @param instance undefined: each gets one of their own
 */
export async function importUsers(
  project: Project,
  registry: RegistryStore,
  order: { people: HtpasswdEntry[]; instance: InstanceName | undefined },
): Promise<ImportResult> {
  const added: ImportedUser[] = []
  const present: UserName[] = []
  for (const { user, hash, kind } of order.people) {
    if ((await registry.read('user', user)) !== undefined) {
      present.push(user)
      continue
    }
    const { instance } = await addUser(project, registry, {
      user,
      instance: order.instance,
      create: false,
      newPassword: async () => ({ hash }),
      givenPassword: undefined,
    })
    added.push({ user, instance, kind })
  }
  return { added, present }
}

async function readText(file: string): Promise<string> {
  try {
    // A pipe in its place would be waited for without end.
    const found = await stat(file)
    if (!found.isFile()) throw new CliError('file_unusable', `${file} is not a file.`)
    if (found.size > MAX_FILE) throw new CliError('file_unusable', `${file} is larger than 1 MiB.`)
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file))
  } catch (error) {
    if (error instanceof CliError) throw error
    const reason =
      error instanceof TypeError ? 'it is not UTF-8' : String((error as NodeJS.ErrnoException).code)
    throw new CliError('file_unusable', `${file} cannot be read: ${reason}.`, {
      hint: `See what it is: ls -l ${file}`,
      cause: error,
    })
  }
}
