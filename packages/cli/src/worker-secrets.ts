import { createHmac, hkdfSync } from 'node:crypto'
import { edgeRing, sessionRing } from './edge-keys.ts'
import { currentFile, newestOlderKey, olderKeys } from './key-ring.ts'
import { ensureKey, readKey } from './keys.ts'
import type { Project } from './project.ts'

/** The secrets of a Worker, by name; base64. */
export type WorkerSecrets = Readonly<Record<(typeof WORKER_SECRETS)[number], string>>

export const WORKER_SECRETS = ['SESSION_KEY', 'SESSION_KEY_PREVIOUS', 'EDGE_KEY'] as const

/** In the directory of keys. */
export const EDGE_KEY_FILE = 'edge.key'

/** For HKDF (RFC 5869), with the name of an environment behind it. */
const SESSION_KEY_INFO = 'mux session key v1 '

/** The keys that a Worker needs and that are not there yet, by the names of their files. */
export async function missingKeys(project: Project): Promise<string[]> {
  const rings = [sessionRing(project), edgeRing(project)]
  const found = await Promise.all(
    rings.map(async (ring) => [ring.name, await readKey(currentFile(ring))] as const),
  )
  return found.filter(([, key]) => key === undefined).map(([name]) => `${name}.key`)
}

/**
 * The secrets for the Worker of an environment, from the keys of the project, made where there are none. A cookie of one
 * environment is none of another, so each but the main one has a session key that is derived for it. The hosts know one edge, so
 * all sign for them with the same key.
 * @throws {CliError} `key_exposed`, `key_unusable`
 */
export async function workerSecrets(
  project: Project,
  environment: string | undefined,
): Promise<WorkerSecrets> {
  const session = await ensureKey(currentFile(sessionRing(project)))
  const previous = (await newestOlderKey(sessionRing(project))) ?? session
  const edge = await ensureKey(currentFile(edgeRing(project)))
  const own = (key: Uint8Array) =>
    environment === undefined ? key : hkdfSync('sha256', key, '', `${SESSION_KEY_INFO}${environment}`, 32)
  return {
    SESSION_KEY: base64(own(session)),
    // Without an older one, the same once more: a secret that is left out would stay what it was.
    SESSION_KEY_PREVIOUS: base64(own(previous)),
    EDGE_KEY: base64(edge),
  }
}

/** By what it can be seen that a Worker has these secrets, and nothing else; hexadecimal. */
export function secretsMark(secrets: WorkerSecrets): string {
  const text = WORKER_SECRETS.map((name) => secrets[name]).join()
  return createHmac('sha256', secrets.EDGE_KEY).update(text).digest('hex')
}

/** By what the Workers of a project can be told from those of another; hexadecimal. */
export function projectMark({ EDGE_KEY }: Pick<WorkerSecrets, 'EDGE_KEY'>): string {
  return createHmac('sha256', EDGE_KEY).update('mux project').digest('hex')
}

/** The marks that Workers of this project may have, which are of its keys: of the present one, and of those before it. */
export async function projectMarks(project: Project): Promise<string[]> {
  const ring = edgeRing(project)
  const current = await readKey(currentFile(ring))
  if (current === undefined) return []
  return [current, ...(await olderKeys(ring))].map((key) => projectMark({ EDGE_KEY: base64(key) }))
}

function base64(key: ArrayBuffer | Uint8Array): string {
  return Buffer.from(key instanceof Uint8Array ? key : new Uint8Array(key)).toString('base64')
}
