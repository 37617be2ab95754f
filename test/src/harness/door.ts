import { asserted } from './assertion.ts'
import { startHost } from './host.ts'
import { conformanceYaml, LEDGER } from './layout.ts'
import { leave } from './nothing-left.ts'
import { passwordOf, Project } from './project.ts'
import { Running } from './running.ts'

/** A listening socket of mux behind which `django1` is, for whoever proves to be graham. */
export interface Door {
  url: string
  project: Project
  running: Running
  /** The header lines of the proof for one request, each with its end. */
  proof: (method: string, target: string) => string
  close(): Promise<void>
}

/** The edge of `mux up`. */
export async function embeddedDoor(): Promise<Door> {
  const project = await newProject()
  const running = await Running.up(project)
  await project.addUser('graham', 'django1')
  // Not a password: one that is wrong by a byte costs a hash, and ten of them a minute.
  const cookie = await sessionCookie(running.url, 'graham')
  return {
    url: running.url,
    project,
    running,
    proof: () => `Cookie: ${cookie}\r\n`,
    close: () => leave(project, running),
  }
}

/** The gateway of a host, which takes what its edge has signed. */
export async function gatewayDoor(): Promise<Door> {
  const project = await newProject()
  const { name, running, url, hostKey } = await startHost(project)
  const proof = (method: string, target: string): string =>
    Object.entries(
      asserted({ method, target, user: 'graham', instance: 'django1', key: hostKey, keyid: name }),
    )
      .map(([header, value]) => `${header}: ${value}\r\n`)
      .join('')
  return { url, project, running, proof, close: () => leave(project, running) }
}

async function sessionCookie(url: string, user: string): Promise<string> {
  const answer = await fetch(new URL('/_mux/signin', url), {
    method: 'POST',
    redirect: 'manual',
    headers: { origin: url },
    body: new URLSearchParams({ username: user, password: passwordOf(user) }),
  })
  return answer.headers.getSetCookie()[0]!.split(';')[0]!
}

async function newProject(): Promise<Project> {
  const project = await Project.create('')
  await project.write('mux.yaml', conformanceYaml(project.path(LEDGER)))
  return project
}
