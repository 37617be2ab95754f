import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { CliError } from '../errors.ts'
import { instanceName, userName } from '../names.ts'
import { addUser } from '../operations/add-user.ts'
import { newPassword } from '../operations/new-password.ts'
import { ROOT } from '../program.ts'
import { type Project, projectAt } from '../project.ts'
import { withRegistry } from '../registry.ts'
import type { Person } from './proof.ts'

/** The application that the demo runs, as it lies in the repository. */
const NOTES = join(ROOT, '../../examples/notes')

/** A project of its own for one run of the demo: whatever is tried out there is gone afterwards. */
export interface DemoSite {
  project: Project
  remove(): Promise<void>
}

export async function createDemoSite(): Promise<DemoSite> {
  const directory = await mkdtemp(join(tmpdir(), 'mux-demo-'))
  const remove = () => rm(directory, { recursive: true, force: true })
  try {
    await cp(NOTES, directory, { recursive: true, filter: (path) => basename(path) !== '.mux' })
  } catch (error) {
    await remove()
    throw new CliError('application_not_found', 'The notes example, which the demo runs, is not there.', {
      hint: 'Run it in a clone of the repository: npm run demo',
      cause: error,
    })
  }
  return { project: projectAt(directory), remove }
}

/** Adds one as `mux user add NAME --instance INSTANCE --generate` would. */
export async function addPerson(project: Project, name: string, instance: string): Promise<Person> {
  const { password } = await withRegistry(project, (registry) =>
    addUser(project, registry, {
      user: userName(name),
      instance: instanceName(instance),
      create: false,
      newPassword: () =>
        newPassword({ generate: true, 'password-stdin': false, 'no-password': false }, undefined),
      givenPassword: undefined,
    }),
  )
  return { name, instance, password: password! }
}
