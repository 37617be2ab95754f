import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Ask } from './client.ts'
import type { Outcome, Project } from './project.ts'
import { FIXTURES } from './project.ts'

/** A way to run the system, seen as its users see it: a URL and a command line. */
export interface Layout {
  /** What takes the requests, and whose platform they pass. */
  edge: 'Node' | 'Worker'
  url: string
  /** What the platform before this layout adds to every request. */
  platformHeaders: Record<string, string>
  project: Project
  /** What makes a request come from another client than all others, one of 20 to 99. */
  from(client: number): Pick<Ask, 'headers' | 'localAddress'>
  /** Runs `mux ARGS…`; when it returns, what it changed is true at the URL. */
  run(args: readonly string[], options?: { input?: string }): Promise<Outcome>
  /** As `run`, for what must succeed. */
  must(args: readonly string[], options?: { input?: string }): Promise<Outcome>
  addUser(name: string, instance: string): Promise<void>
  /** Writes a record as no command would, for what a damaged or hostile registry holds. */
  plant(kind: 'user' | 'route' | 'instance' | 'token', name: string, value: string): Promise<void>
  /** Writes a user's record with these fields changed. */
  plantUser(user: string, fields: Record<string, unknown>): Promise<void>
  /** Makes a user's record point where the instance is not: another host, or a host that has not got it. */
  misdirect(user: string): Promise<void>
  close(): Promise<void>
}

/** What a user of the conformance suite may have under way at once. */
export const MOST_REQUESTS = 300

const fixture = (name: string) => `["${process.execPath}", "${join(FIXTURES, name)}"]`

/** The instances of the conformance suite. */
const INSTANCES = {
  django1: '{}',
  django2: '{ settings: { COLOUR: blue } }',
  django3: '{ restart: replace, settings: { COLOUR: green } }',
  broken: '{ settings: { FAIL_BOOT: no database } }',
  late: '{ settings: { BOOT_DELAY: 60000 }, limits: { start: 1s } }',
  slow: '{ settings: { BOOT_DELAY: 3000 } }',
  hostile: `{ command: ${fixture('hostile.mjs')} }`,
  sockets: `{ command: ${fixture('sockets.mjs')} }`,
}
export type InstanceOfSuite = keyof typeof INSTANCES

/**
 * The mux.yaml of the conformance suite.
 * @param ledger where the instances write what reached them
 * @param instances those that are defined in it
 */
export function conformanceYaml(
  ledger: string,
  instances: readonly InstanceOfSuite[] = Object.keys(INSTANCES) as InstanceOfSuite[],
): string {
  return `
app:
  command: ${fixture('echo.mjs')}
  settings:
    SOCKET: "{socket}"
    LEDGER: ${JSON.stringify(ledger)}
  health: /ping
  limits: { start: 60s, drain: 20s, stop: 3s, hold: 100s }
pool:
  max: 8
  name: django{n}
edge:
  listen: 127.0.0.1:0
  behind_proxy: true
  limits: { requests: ${MOST_REQUESTS} }
instances:
${instances.map((name) => `  ${name}: ${INSTANCES[name]}`).join('\n')}
`
}

export const LEDGER = 'ledger.log'

/** What has reached the instances so far, a line each: `boot NAME PID`, `request NAME METHOD TARGET`, `left NAME TARGET`. */
export async function ledgerLines(project: Project): Promise<string[]> {
  const text = await readFile(project.path(LEDGER), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw error
  })
  return text.split('\n').filter(Boolean)
}

/** Of those lines the requests; that somebody has left, an instance notices in its own time, and it may be of a test before. */
export async function requestLines(project: Project): Promise<string[]> {
  return (await ledgerLines(project)).filter((line) => line.startsWith('request '))
}
