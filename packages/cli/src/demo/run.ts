import { appendFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { type Embedded, startEmbedded } from '../embedded.ts'
import type { EndSignals } from '../end-signals.ts'
import { CliError } from '../errors.ts'
import { createEventLog } from '../event-log.ts'
import { instanceName } from '../names.ts'
import { restartInstance } from '../operations/order-instance.ts'
import type { Project } from '../project.ts'
import { type Person, prove, type Shown } from './proof.ts'
import { addPerson, createDemoSite } from './site.ts'

/** The first port to try, and how many after it; then any that is free. */
const FIRST_PORT = 8080
const PORTS = 20

/** What the demo tells whoever shows it, as it goes along. */
export interface Spectator {
  /** It serves; these ports it found taken. */
  serves(url: string, project: Project, taken: readonly number[]): void
  shown(shown: Shown): void
  /** Everything held. The demo ends when this promise does. */
  proven(people: readonly Person[]): Promise<void>
}

/**
 * Runs the demo from beginning to end: a site of its own, mux in this process, the proof. Whatever comes of it, nothing
 * is left: no process, no file.
 * @throws {DemoFailed} when mux does not keep a promise
 * @throws {CliError} `interrupted` when it is told to end before it is through
 */
export async function runDemo(version: string, end: EndSignals, spectator: Spectator): Promise<void> {
  const interrupted = end.first.then(() => {
    throw new CliError('interrupted', 'The demo was interrupted.')
  })
  // Whoever races it handles it; a demo that is through does not look any more.
  interrupted.catch(() => undefined)
  const site = await createDemoSite()
  let mux: Embedded | undefined
  try {
    const brian = await addPerson(site.project, 'brian', 'django2')
    const people = [
      await addPerson(site.project, 'graham', 'django1'),
      brian,
      await addPerson(site.project, 'malcolm', 'django3'),
    ] as const
    const started = await startOnFreePort(site.project, version)
    mux = started.mux
    spectator.serves(mux.url, site.project, started.taken)
    const proof = prove({
      url: mux.url,
      people,
      restarted: brian,
      restart: (instance) => restartInstance(site.project, instanceName(instance)),
      show: (shown) => spectator.shown(shown),
    })
    await Promise.race([proof, interrupted])
    await Promise.race([spectator.proven(people), end.first])
  } finally {
    await mux?.close(end.hurry)
    await site.remove()
  }
}

async function startOnFreePort(
  project: Project,
  version: string,
): Promise<{ mux: Embedded; taken: number[] }> {
  // The application is to run on the Node that runs mux, whichever one is first on the path.
  const environment = {
    ...process.env,
    PATH: [dirname(process.execPath), process.env['PATH']].filter(Boolean).join(delimiter),
  }
  const logFile = join(project.state.logs, 'mux.log')
  const log = createEventLog((line) => appendFileSync(logFile, line, { mode: 0o600 }))
  const taken: number[] = []
  for (let port = FIRST_PORT; ; port += 1) {
    const listen = { host: '127.0.0.1', port: taken.length < PORTS ? port : 0 }
    try {
      return { mux: await startEmbedded({ project, version, environment, log, listen }), taken }
    } catch (error) {
      if (!(error instanceof CliError && error.code === 'address_in_use') || listen.port === 0) throw error
      taken.push(port)
    }
  }
}
