import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createKvApi, openKvStore } from '@mux/edge/registry'
import { CliError } from '../errors.ts'
import type { Project } from '../project.ts'
import { list } from '../render.ts'
import { recordCounts } from '../render-registry.ts'
import { WORKER_MAIN } from '../worker-module.ts'
import { missingKeys, workerSecrets } from '../worker-secrets.ts'
import { runWrangler } from '../wrangler.ts'
import { planPush } from './copy-registry.ts'
import type { DeployOptions } from './deploy.ts'
import { DeploySteps, type Step } from './deploy-steps.ts'
import { type Account, lookAtAccount, type Preparation, prepareDeployment } from './prepare-deployment.ts'
import { isFromHere, isUploading, tagFor } from './upload-worker.ts'

export interface DryRun {
  worker: string
  /** Null where there is no API token: then nothing at Cloudflare was looked at. */
  account: string | null
  namespace: string | null
  urls: string[]
  steps: Step[]
}

/**
 * Says what a deployment would do, and does none of it: nothing is changed here, on a host or at Cloudflare.
 * @throws {CliError} with the step that would fail
 */
export async function dryRunDeployment(project: Project, options: DeployOptions): Promise<DryRun> {
  const steps = new DeploySteps(options.tell)
  const preparation = await prepareDeployment(project, options, steps)
  const { plan } = preparation
  const account = await lookIfPossible(project, options, preparation, steps)
  await steps.take('keys', async (say) => {
    const missing = await missingKeys(project)
    say(
      missing.length === 0 ? 'ok' : 'planned',
      missing.length === 0 ? 'nothing to do' : `make ${list(missing)}`,
    )
  })
  const namespace = account?.namespace
  await steps.take('namespace', async (say) => {
    if (namespace !== undefined) say('ok', namespace)
    else say('planned', account === undefined ? 'find or make one' : `make ${account.title}`)
  })
  await steps.take('settings', async (say) => {
    const isSame = plan.text === plan.before && plan.config.namespace !== undefined
    if (!isSame) say('planned', `${plan.before === undefined ? 'make' : 'change'} ${plan.file}`)
  })
  await steps.take('registry', async (say) => {
    const kv =
      account === undefined || namespace === undefined
        ? undefined
        : openKvStore(createKvApi({ ...account.access, account: account.id, namespace }))
    const { written, removed } = await planPush(project, kv)
    const wanted = [
      ...(Object.keys(written).length > 0 ? [`write ${recordCounts(written)}`] : []),
      ...(Object.keys(removed).length > 0 ? [`remove ${recordCounts(removed)}`] : []),
    ]
    say(wanted.length === 0 ? 'ok' : 'planned', wanted.length === 0 ? 'nothing to do' : wanted.join(', '))
  })
  await steps.take('worker', async (say) => {
    await buildOnly(options, preparation)
    const isSame = account !== undefined && (await isDeployed(project, options, preparation, account, say))
    if (isSame) say('ok', `nothing to do: version ${account.current!.version}`)
    else say('planned', 'upload it with its secrets; wrangler can build it')
  })
  if (options.environment === undefined && preparation.config.registry !== 'kv')
    await steps.take('mux.yaml', async (say) => say('planned', 'registry: kv'))
  return {
    worker: plan.config.name,
    account: account?.id ?? null,
    namespace: namespace ?? null,
    urls:
      account?.urls ?? [...plan.config.customDomains, ...plan.config.routes].map((host) => `https://${host}`),
    steps: steps.all,
  }
}

/** A clone of a project has no token, and what would be deployed can be seen all the same. */
async function lookIfPossible(
  project: Project,
  options: DeployOptions,
  preparation: Preparation,
  steps: DeploySteps,
): Promise<Account | undefined> {
  try {
    return await lookAtAccount(project, options, preparation, steps)
  } catch (error) {
    if (!(error instanceof CliError && error.code === 'token_missing')) throw error
    await steps.take('account', async (say) =>
      say('attention', 'there is no API token, so what is at Cloudflare was not looked at'),
    )
    return undefined
  }
}

async function isDeployed(
  project: Project,
  { environment }: DeployOptions,
  { module, plan }: Preparation,
  { current, tags, hasDomains }: Account,
  say: (outcome: 'attention', detail: string) => void,
): Promise<boolean> {
  if (current === undefined) return false
  if (!(await isFromHere(project, tags)))
    say('attention', `the Worker ${plan.config.name} is there, and was not deployed from here`)
  if (!hasDomains || isUploading(project, plan.config.name)) return false
  // Keys that are not there were in no Worker, and are not made now.
  if ((await missingKeys(project)).length > 0) return false
  return current.tag === tagFor(module, plan.config, await workerSecrets(project, environment))
}

/** Has wrangler build it, in a directory of its own. */
async function buildOnly(
  { environment, inherited }: DeployOptions,
  { wrangler, module, plan }: Preparation,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'mux-deploy-'))
  try {
    const main = join(directory, WORKER_MAIN)
    await mkdir(dirname(main), { recursive: true })
    for (const [name, text] of Object.entries(module.files)) await writeFile(join(dirname(main), name), text)
    const file = join(directory, 'wrangler.jsonc')
    await writeFile(file, plan.text)
    await runWrangler(wrangler, ['deploy', '--dry-run', `--config=${file}`, `--env=${environment ?? ''}`], {
      directory,
      environment: inherited,
      reportFile: join(directory, 'report.ndjson'),
      secrets: [],
    })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
