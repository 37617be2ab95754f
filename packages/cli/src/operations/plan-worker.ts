import { basename, join } from 'node:path'
import { CliError } from '../errors.ts'
import type { Project } from '../project.ts'
import {
  changeWorkerConfig,
  firstWorkerConfig,
  readWorkerConfig,
  type WorkerConfig,
  WORKERS_DEV,
  type WorkerSettings,
} from '../worker-config.ts'
import { WORKER_MAIN, workerTemplate } from '../worker-module.ts'
import { findWranglerFile } from '../wrangler-config.ts'

/** The wrangler.jsonc beside mux.yaml as it is to be, which is not on the disk yet. */
export interface WorkerPlan {
  file: string
  /** Undefined: there is no such file. */
  before: string | undefined
  text: string
  config: WorkerConfig
}

/** A host name of two parts or more (RFC 1123 section 2.1). */
const DOMAIN =
  /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
/** As wrangler has the name of a Worker; that of an environment becomes a part of it. */
const NAME = /^[a-z0-9_][a-z0-9_-]*$/
/** The longest name of a Worker, in characters, less what an environment adds. */
const MAX_NAME = 48

/**
 * @param settings what the operator wants changed
 * @throws {CliError} `usage`, `file_unusable`
 */
export async function planWorker(
  { directory }: Project,
  environment: string | undefined,
  settings: WorkerSettings,
): Promise<WorkerPlan> {
  const { domain } = settings
  if (domain !== undefined && !DOMAIN.test(domain))
    throw new CliError('usage', `--domain is ${JSON.stringify(domain.slice(0, 80))}; expected a host name.`, {
      hint: `Such as mux.example.com, or ${WORKERS_DEV} for a name under that of the account.`,
    })
  if (environment !== undefined && !NAME.test(environment))
    throw new CliError(
      'usage',
      `--env is ${JSON.stringify(environment.slice(0, 80))}; expected the name of an environment.`,
      {
        hint: 'It becomes a part of the name of its Worker: of a-z 0-9 _ -, such as staging.',
      },
    )
  const template = await workerTemplate()
  const found = await findWranglerFile(directory)
  const file = found?.file ?? join(directory, 'wrangler.jsonc')
  const before = found?.text
  const first = before ?? firstWorkerConfig(template, nameFor(directory), WORKER_MAIN)
  const plan = changePlan(
    { file, before, text: first, config: readWorkerConfig(file, first, environment) },
    environment,
    {
      ...settings,
      compatibilityDate: newerDate(
        readWorkerConfig(file, template, undefined).compatibilityDate,
        readWorkerConfig(file, first, environment).compatibilityDate,
      ),
    },
  )
  checkConfig(plan)
  return plan
}

/** The plan, with something else in it. */
export function changePlan(
  plan: WorkerPlan,
  environment: string | undefined,
  settings: WorkerSettings,
): WorkerPlan {
  const { file } = plan
  const text = changeWorkerConfig(file, plan.text, environment, settings)
  return { ...plan, text, config: readWorkerConfig(file, text, environment) }
}

/** @throws {CliError} `usage`, `file_unusable` */
function checkConfig({ file, config }: WorkerPlan): void {
  const { name, section, compatibilityDate = '' } = config
  const problems = [
    ...(NAME.test(name)
      ? []
      : [`name ${JSON.stringify(name)} is none that a Worker can have: of a-z 0-9 _ -`]),
    ...(section['main'] === WORKER_MAIN ? [] : [`main is not ${WORKER_MAIN}, where mux puts its Worker`]),
    // It would answer from memory before the edge has seen who asks.
    ...('cache' in section ? ['it has "cache", by which one user would get what another one got'] : []),
    ...(compatibilityDate > today() ? [`compatibility_date ${compatibilityDate} is in the future`] : []),
  ]
  if (problems.length > 0)
    throw new CliError('file_unusable', `${file} is not fit for mux's Worker.`, {
      hint: 'Put it right there; or move it away, and mux makes a new one.',
      details: problems,
    })
  const { customDomains, routes, workersDev } = config
  if (customDomains.length + routes.length === 0 && !workersDev)
    throw new CliError('usage', 'It is not known at which URL the Worker is to serve.', {
      hint: `Give a host name in a zone of the account: mux deploy --domain mux.example.com   Without a zone: --domain ${WORKERS_DEV}`,
    })
}

function nameFor(directory: string): string {
  const name = basename(directory)
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, MAX_NAME)
    .replace(/^-+|-+$/g, '')
  return name === '' || name === 'mux' ? 'mux-edge' : `mux-${name.replace(/^mux-/, '')}`
}

/** The date that mux's Worker is tested with, unless the operator has gone beyond it; undefined: as it is. */
function newerDate(ours: string | undefined, theirs: string | undefined): string | undefined {
  return theirs === undefined || (ours !== undefined && theirs < ours) ? ours : undefined
}

function today(): string {
  return new Date().toISOString().slice(0, 10)
}
