import { createKvApi, openKvStore, type RegistryStore } from '@mux/edge/registry'
import { replaceFile } from '@mux/instance/atomic-file'
import { changeConfig } from '../config-edit.ts'
import { CliError } from '../errors.ts'
import { withLock, withProjectLock } from '../project-lock.ts'
import { ensureStateDirectory, type Project } from '../project.ts'
import { list } from '../render.ts'
import { copied, recordCounts } from '../render-registry.ts'
import { writeWorkerModule } from '../worker-module.ts'
import {
  EDGE_KEY_FILE,
  missingKeys,
  WORKER_SECRETS,
  workerSecrets,
  type WorkerSecrets,
} from '../worker-secrets.ts'
import { setInYaml } from '../yaml-splice.ts'
import { takeAnswer } from './confirm-deployment.ts'
import { pushRegistry } from './copy-registry.ts'
import { DeploySteps, type Step } from './deploy-steps.ts'
import { changePlan } from './plan-worker.ts'
import {
  type Account,
  type DeployTarget,
  lookAtAccount,
  type Preparation,
  prepareDeployment,
} from './prepare-deployment.ts'
import { clearUpload, isFromHere, isUploading, tagFor, uploadWorker } from './upload-worker.ts'

export interface DeployOptions extends DeployTarget {
  /** Of mux. */
  version: string
  /** How long the Worker that was deployed may take to answer, in milliseconds. */
  patience: number
  /** Asked where something is taken away, or is not as one may think. @throws {CliError} on a no */
  confirm: (question: string, details: readonly string[]) => Promise<void>
  tell: (step: Step) => void
}

export interface Deployed {
  worker: string
  account: string
  namespace: string
  urls: string[]
  /** Id of the version that answers. */
  version: string
  steps: Step[]
}

/**
 * Brings the edge of a project to Cloudflare: namespace, records, secrets and Worker, whatever of these is not there as it is
 * to be. One deployment of a project at a time.
 * @throws {CliError} with the step that failed, and what stays done
 */
export async function deploy(project: Project, options: DeployOptions): Promise<Deployed> {
  await ensureStateDirectory(project)
  return withLock(project, 'deploy', async () => {
    await clearUpload(project)
    const steps = new DeploySteps(options.tell)
    const preparation = await prepareDeployment(project, options, steps)
    const account = await lookAtAccount(project, options, preparation, steps)
    await steps.take('account', async () => {
      await refuseForeign(project, options, preparation, account, steps.concerns)
    })

    const secrets = await makeKeys(project, options, preparation, steps)
    const { namespace, plan } = await makeNamespace(options, preparation, account, steps)
    await steps.take('registry', async (say, begin) => {
      const { id, access } = account
      const kv = openKvStore(createKvApi({ ...access, account: id, namespace }))
      const noted: RegistryStore = {
        ...kv,
        change(decide, options) {
          begin()
          return kv.change(decide, options)
        },
      }
      const result = await pushRegistry(project, noted, (removed) =>
        options.confirm(`Remove ${recordCounts(removed)} from KV?`, []),
      )
      const isSame = Object.keys({ ...result.written, ...result.removed }).length === 0
      say(isSame ? 'ok' : 'done', isSame ? 'nothing to do' : copied(result, 'kv'))
      for (const { host, problem } of result.told)
        if (problem !== null)
          say('attention', `host ${host} was not told of the users as they are: ${problem}`)
    })
    const version = await deployWorker(project, options, { ...preparation, plan }, account, secrets, steps)
    await takeAnswer(steps, account.urls, version, options)
    await setRegistry(project, options, preparation, steps)
    const { id, urls } = account
    return { worker: plan.config.name, account: id, namespace, urls, version, steps: steps.all }
  })
}

/** Has what would be lost confirmed, before anything is changed. */
async function refuseForeign(
  project: Project,
  { confirm }: DeployOptions,
  { plan }: Preparation,
  { current, tags }: Account,
  concerns: readonly string[],
): Promise<void> {
  const isOurs = current === undefined || (await isFromHere(project, tags))
  const foreign = isOurs ? [] : [`the Worker ${plan.config.name} is there, and was not deployed from here`]
  const all = [...concerns, ...foreign]
  if (all.length > 0) await confirm('Deploy nevertheless?', all)
}

async function makeKeys(
  project: Project,
  { environment }: DeployOptions,
  { hosts }: Preparation,
  steps: DeploySteps,
): Promise<WorkerSecrets> {
  return steps.take('keys', async (say) => {
    const missing = await missingKeys(project)
    // With another one, no host would take what this edge signs.
    if (hosts > 0 && missing.includes(EDGE_KEY_FILE))
      throw new CliError(
        'key_unusable',
        `There are hosts, and ${EDGE_KEY_FILE} is gone, which they know the edge by.`,
        {
          hint: 'Put it back into .mux/keys from a backup; or give each host another key: mux host key NAME',
        },
      )
    const secrets = await workerSecrets(project, environment)
    if (missing.length === 0) say('ok', 'nothing to do')
    else say('done', `made ${list(missing)} in .mux/keys; keep a copy of them`)
    return secrets
  })
}

/** Has wrangler.jsonc say where all is, as soon as it is known: what comes next may break off. */
async function makeNamespace(
  { environment }: DeployOptions,
  preparation: Preparation,
  { id, cloud, namespace: found, title }: Account,
  steps: DeploySteps,
) {
  const namespace = await steps.take('namespace', async (say, begin) => {
    if (found === undefined) begin()
    const namespace = found ?? (await cloud.createNamespace(title))
    say(found === undefined ? 'done' : 'ok', `${found === undefined ? `made ${title}, ` : ''}${namespace}`)
    return namespace
  })
  const plan = changePlan(preparation.plan, environment, {
    account: preparation.plan.config.account === id ? undefined : id,
    namespace: preparation.plan.config.namespace === namespace ? undefined : namespace,
  })
  await steps.take('settings', async (say) => {
    if (plan.text === plan.before) return
    await replaceFile(plan.file, plan.text, { unlessPresent: 0o644 })
    say('done', `${plan.file} was ${plan.before === undefined ? 'made' : 'changed'}`)
  })
  return { namespace, plan }
}

/** @returns the id of the version that answers everything from now on */
async function deployWorker(
  project: Project,
  options: DeployOptions,
  { wrangler, module, plan }: Preparation,
  { id: account, access, cloud, current, hasDomains }: Account,
  secrets: WorkerSecrets,
  steps: DeploySteps,
): Promise<string> {
  return steps.take('worker', async (say, begin) => {
    const { name } = plan.config
    const tag = tagFor(module, plan.config, secrets)
    await writeWorkerModule(project, module)
    // The mark comes with the code: where wrangler broke off behind that, it may not serve where it is to.
    if (current?.tag === tag && hasDomains && !isUploading(project, name)) {
      say('ok', `nothing to do: version ${current.version}`)
      return current.version
    }
    options.wait(`Uploading the Worker ${name}.`)
    begin()
    const { environment, version: muxVersion, inherited } = options
    const uploaded = await uploadWorker(project, {
      wrangler,
      name,
      file: plan.file,
      environment,
      account,
      token: access.token,
      secrets,
      tag,
      message: `mux ${muxVersion}`,
      inherited,
    })
    const version = uploaded ?? (await cloud.versions(name))[0] ?? 'unknown'
    say('done', `version ${version}, with the secrets ${list(WORKER_SECRETS)}`)
    return version
  })
}

/** From now on, what changes a record here changes it in KV as well. */
async function setRegistry(
  project: Project,
  { environment }: DeployOptions,
  { config }: Preparation,
  steps: DeploySteps,
): Promise<void> {
  if (environment !== undefined || config.registry === 'kv') return
  await steps.take('mux.yaml', async (say) => {
    await withProjectLock(project, () => changeConfig(project, (text) => setInYaml(text, ['registry'], 'kv')))
    say('done', 'registry: kv')
  })
}
