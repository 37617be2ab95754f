import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { rm, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Project } from '../project.ts'
import { type WorkerConfig } from '../worker-config.ts'
import { type WorkerModule } from '../worker-module.ts'
import { projectMark, projectMarks, secretsMark, type WorkerSecrets } from '../worker-secrets.ts'
import { runWrangler, type Wrangler } from '../wrangler.ts'

export interface Upload {
  wrangler: Wrangler
  /** Of the Worker in the account. */
  name: string
  file: string
  environment: string | undefined
  account: string
  token: string
  secrets: WorkerSecrets
  /** With what the version is marked: {@link tagFor}. */
  tag: string
  message: string
  /** What wrangler inherits. */
  inherited: NodeJS.ProcessEnv
}

/** Of how many hexadecimal digits a mark is. */
const PROJECT_DIGITS = 8
const CONTENT_DIGITS = 16

/** How a version is marked: what has the same mark was made from the same, and need not be uploaded again. */
export function tagFor({ files }: WorkerModule, { section }: WorkerConfig, secrets: WorkerSecrets): string {
  const content = createHash('sha256').update(JSON.stringify([files, section, secretsMark(secrets)]))
  return prefixOf(projectMark(secrets)) + content.digest('hex').slice(0, CONTENT_DIGITS)
}

/** Whether one of these marks is of this project. */
export async function isFromHere(project: Project, tags: readonly (string | undefined)[]): Promise<boolean> {
  const prefixes = (await projectMarks(project)).map(prefixOf)
  return tags.some((tag) => prefixes.some((prefix) => tag?.startsWith(prefix)))
}

function prefixOf(mark: string): string {
  return `mux-${mark.slice(0, PROJECT_DIGITS)}-`
}

/** Whether the last upload of a Worker has not come to its end, which for wrangler is where it serves. */
export function isUploading(project: Project, name: string): boolean {
  return existsSync(markFile(project, name))
}

/** Takes away what an upload leaves that was killed. */
export async function clearUpload(project: Project): Promise<void> {
  await rm(secretsFileOf(project), { force: true })
}

/** Beside the module. */
function markFile({ state }: Project, name: string): string {
  return join(state.directory, 'worker', `${name}.uploading`)
}

function secretsFileOf({ state }: Project): string {
  return join(state.run, 'deploy-secrets.json')
}

/**
 * Uploads the module that wrangler.jsonc names, with its secrets, and has it answer everything.
 * @returns the id of the version; undefined when wrangler did not say
 * @throws {CliError} `wrangler_failed`, `cloudflare_forbidden`
 */
export async function uploadWorker(project: Project, upload: Upload): Promise<string | undefined> {
  const { directory, state } = project
  const { wrangler, name, file, environment, account, token, secrets, tag, message, inherited } = upload
  // Among the arguments everybody would see them; and wrangler opens a path, which a pipe to a child, a socket, has not.
  const secretsFile = secretsFileOf(project)
  const mark = markFile(project, name)
  await writeFile(mark, '')
  try {
    await rm(secretsFile, { force: true })
    await writeFile(secretsFile, JSON.stringify(secrets), { flag: 'wx', mode: 0o600 })
    const entries = await runWrangler(
      wrangler,
      [
        'deploy',
        `--config=${file}`,
        `--env=${environment ?? ''}`,
        `--secrets-file=${secretsFile}`,
        `--tag=${tag}`,
        `--message=${message}`,
      ],
      {
        directory,
        environment: { ...inherited, CLOUDFLARE_API_TOKEN: token, CLOUDFLARE_ACCOUNT_ID: account },
        reportFile: join(state.run, 'deploy-report.ndjson'),
        secrets: [token, ...Object.values(secrets)],
      },
    )
    await rm(mark, { force: true })
    const deployed = entries.find(({ type }) => type === 'deploy')?.['version_id']
    return typeof deployed === 'string' ? deployed : undefined
  } finally {
    await rm(secretsFile, { force: true })
    await removeEmpty(join(directory, '.wrangler', 'tmp'), join(directory, '.wrangler'))
  }
}

/** What wrangler leaves beside wrangler.jsonc, unless there is something else in it. */
async function removeEmpty(...directories: string[]): Promise<void> {
  for (const directory of directories) await rmdir(directory).catch(() => undefined)
}
