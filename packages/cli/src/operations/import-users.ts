import { readFile, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { InstanceName, UserName } from '@mux/contract'
import type { PasswordKind, RegistryChange, RegistryStore } from '@mux/edge/registry'
import { CliError } from '../errors.ts'
import { type HtpasswdEntry, readHtpasswd } from '../htpasswd.ts'
import { rememberUser } from '../last-user.ts'
import { readConfig } from '../mux-yaml.ts'
import { withProjectLock } from '../project-lock.ts'
import type { Project } from '../project.ts'
import { addedMeanwhile, addUser, newUser } from './add-user.ts'
import { namedInstance } from './choose-instance.ts'
import { announceInstance, localInstance } from './define-instance.ts'

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
 * Adds people: to one instance all at once or none of them; each to one of their own one after the other, with all that
 * `mux user add` does. Whoever is there already is passed over, so an import that was interrupted is finished by the same
 * command.
 * @param instance undefined: each gets one of their own
 * @throws {CliError} `instance_not_found`, `user_exists`, `pool_full` …
 */
export async function importUsers(
  project: Project,
  registry: RegistryStore,
  { people, instance }: { people: HtpasswdEntry[]; instance: InstanceName | undefined },
): Promise<ImportResult> {
  return instance === undefined
    ? importApart(project, registry, people)
    : importTogether(project, registry, people, instance)
}

async function importApart(
  project: Project,
  registry: RegistryStore,
  people: readonly HtpasswdEntry[],
): Promise<ImportResult> {
  const { present, absent } = await sortPeople(registry, people)
  const added: ImportedUser[] = []
  for (const { user, hash, kind } of absent) {
    const { instance } = await addUser(project, registry, {
      user,
      instance: undefined,
      create: false,
      newPassword: async () => ({ hash }),
      givenPassword: undefined,
    })
    added.push({ user, instance, kind })
  }
  return { added, present }
}

/** As one change: each would wait for the disk several times, and ten thousand of them for minutes. */
async function importTogether(
  project: Project,
  registry: RegistryStore,
  people: readonly HtpasswdEntry[],
  instance: InstanceName,
): Promise<ImportResult> {
  return withProjectLock(project, async () => {
    const { present, absent } = await sortPeople(registry, people)
    const last = absent.at(-1)
    if (last === undefined) return { added: [], present }
    const retry = `mux user add ${last.user} --instance ${instance}`
    await namedInstance(project, registry, { instance, create: false, retry })
    await announceInstance(project, registry, instance)
    await rememberUser(project, instance, last.user)
    const local = localInstance(await readConfig(project))
    await registry.change((read) => {
      const known = read('instance', instance)
      const changes: RegistryChange[] = known ? [] : [{ kind: 'instance', name: instance, record: local }]
      for (const { user, hash } of absent) {
        if (read('user', user) !== undefined) throw addedMeanwhile(user)
        changes.push({ kind: 'user', name: user, record: newUser(instance, known ?? local, hash) })
      }
      return { changes, result: undefined }
    })
    return { added: absent.map(({ user, kind }) => ({ user, instance, kind })), present }
  })
}

async function sortPeople(registry: RegistryStore, people: readonly HtpasswdEntry[]) {
  const present: UserName[] = []
  const absent: HtpasswdEntry[] = []
  for (const person of people) {
    if ((await registry.read('user', person.user)) === undefined) absent.push(person)
    else present.push(person.user)
  }
  return { present, absent }
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
