import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { replaceFile } from '@mux/instance/atomic-file'
import { readLogo } from './logo.ts'
import type { ProjectConfig } from './mux-yaml.ts'
import type { Project } from './project.ts'

/** Path of the module that is deployed, from the directory of mux.yaml: what wrangler.jsonc has as `main`. */
export const WORKER_MAIN = '.mux/worker/index.js'
const EDGE = 'edge.js'

/** The Worker of one site: the edge, and what mux.yaml says of it. */
export interface WorkerModule {
  /** Names and values that the edge gets besides its bindings. */
  site: Readonly<Record<string, string>>
  /** By name, in the directory of {@link WORKER_MAIN}. */
  files: Readonly<Record<string, string>>
}

/**
 * What mux.yaml says of the edge goes into the module, so that nobody has to say it in wrangler.jsonc again; and a logo is
 * longer than what a variable of a Worker may have, 5 KB (https://developers.cloudflare.com/workers/platform/limits/).
 * @throws {CliError} `file_unusable`
 */
export async function workerModule({ edge }: ProjectConfig): Promise<WorkerModule> {
  const site = {
    IDENTITY_HEADER: edge.identityHeader,
    SESSION_ABSOLUTE: String(edge.session.absolute / 1000),
    SESSION_IDLE: String(edge.session.idle / 1000),
    ...(edge.cookies === 'share' ? { COOKIES: 'share' } : {}),
    ...(edge.name === null ? {} : { SITE_NAME: edge.name }),
    ...(edge.logo === null ? {} : { SITE_LOGO: await readLogo(edge.logo) }),
  }
  const bundle = await readFile(fileURLToPath(import.meta.resolve('@mux/edge/worker')), 'utf8')
  return { site, files: { 'index.js': entry(site), [EDGE]: bundle } }
}

/** Puts the module where wrangler.jsonc has it. */
export async function writeWorkerModule({ state }: Project, { files }: WorkerModule): Promise<void> {
  const directory = join(state.directory, 'worker')
  await mkdir(directory, { recursive: true, mode: 0o700 })
  for (const [name, text] of Object.entries(files)) await replaceFile(join(directory, name), text, 0o600)
}

/** The template of wrangler.jsonc: that of the Worker itself. */
export async function workerTemplate(): Promise<string> {
  return readFile(fileURLToPath(import.meta.resolve('@mux/edge/wrangler.jsonc')), 'utf8')
}

function entry(site: WorkerModule['site']): string {
  return `// Written by mux deploy, from mux.yaml: change that, and deploy again.
import edge from './${EDGE}'

const site = ${JSON.stringify(site, null, 2)}

export default {
  fetch: (request, env, context) => edge.fetch(request, { ...env, ...site }, context),
}
`
}
