import { createCloudflareApi } from '@mux/edge/registry'
import { accountsOf, type CloudflareWorkers, createCloudflareWorkers } from '../cloudflare-workers.ts'
import { edgeRing } from '../edge-keys.ts'
import { CliError } from '../errors.ts'
import { currentFile } from '../key-ring.ts'
import { readKey } from '../keys.ts'
import type { KvFlags } from '../kv-flags.ts'
import {
  accountId,
  type CloudflareAccess,
  cloudflareAccess,
  isCloudflareHere,
  namespaceId,
} from '../kv-namespace.ts'
import { type ProjectConfig, readConfig } from '../mux-yaml.ts'
import type { Project } from '../project.ts'
import { list } from '../render.ts'
import { type WorkerModule, workerModule } from '../worker-module.ts'
import { findWrangler, type Wrangler } from '../wrangler.ts'
import { checkDomains } from './check-domains.ts'
import { checkHosts } from './check-hosts.ts'
import { checkRegistry } from './copy-registry.ts'
import type { DeploySteps } from './deploy-steps.ts'
import { planWorker, type WorkerPlan } from './plan-worker.ts'
import { workerUrls } from './worker-urls.ts'

export interface DeployTarget {
  /** Of wrangler.jsonc; undefined: its top. */
  environment: string | undefined
  /** Where the Worker is to serve from now on; undefined: where it does. */
  domain: string | undefined
  flags: KvFlags
  /** The environment of the process. */
  inherited: NodeJS.ProcessEnv
  /** Told whenever something is waited for. */
  wait: (text: string) => void
}

/** What was found out before anything is changed. */
export interface Preparation {
  wrangler: Wrangler
  config: ProjectConfig
  module: WorkerModule
  plan: WorkerPlan
  /** How many hosts have a record. */
  hosts: number
}

/** What was found in the account at Cloudflare. */
export interface Account {
  id: string
  access: CloudflareAccess
  cloud: CloudflareWorkers
  /** Undefined: there is none yet. */
  namespace: string | undefined
  /** Name of the namespace, where it has to be made. */
  title: string
  /** See {@link workerUrls}. */
  urls: string[]
  /** Whether all domains are this Worker's. */
  hasDomains: boolean
  /** The version that answers, and with what it is marked. */
  current: { version: string; tag: string | undefined } | undefined
  /** The marks of the versions that answered of late, the last one first, to the first that has one. */
  tags: (string | undefined)[]
}

/**
 * Looks at all that is on this machine and on the hosts.
 * @throws {CliError}
 */
export async function prepareDeployment(
  project: Project,
  { environment, domain, inherited }: DeployTarget,
  steps: DeploySteps,
): Promise<Preparation> {
  const wrangler = await steps.take('wrangler', async (say) => {
    const found = await findWrangler(inherited)
    say('ok', found.version)
    return found
  })
  const { config, module, plan } = await steps.take('settings', async (say) => {
    const config = await readConfig(project)
    const module = await workerModule(config)
    const plan = await planWorker(project, environment, { domain })
    const { name, compatibilityDate } = plan.config
    say('ok', `the Worker ${name}, compatibility date ${compatibilityDate}`)
    return { config, module, plan }
  })
  const records = await steps.take('hosts', async (say) => {
    const records = await checkRegistry(project)
    const edgeKey = await readKey(currentFile(edgeRing(project)))
    const hosts = await checkHosts(records, edgeKey, isCloudflareHere(inherited))
    const answering = hosts.filter(({ problem }) => problem === undefined).map(({ name }) => name)
    if (answering.length > 0) say('ok', `${list(answering)}: can be reached`)
    for (const { name, problem } of hosts)
      if (problem !== undefined) say('attention', `host ${name}: ${problem}`)
    if (hosts.length === 0) say('attention', 'there is no host yet that has an instance: mux host add')
    return records
  })
  return { wrangler, config, module, plan, hosts: records.host.size }
}

/**
 * Looks at what there is at Cloudflare. Only reads.
 * @throws {CliError} also `token_missing`, `namespace_unknown`
 */
export async function lookAtAccount(
  project: Project,
  { flags, inherited, wait }: DeployTarget,
  { plan: { config } }: Preparation,
  steps: DeploySteps,
): Promise<Account> {
  const { id, access, cloud, namespace, title } = await steps.take('account', async (say) => {
    const access = await cloudflareAccess(project, flags, inherited, wait)
    const api = createCloudflareApi(access)
    const given = flags.account ?? config.account
    const id = given === undefined ? onlyAccount(await accountsOf(api)) : accountId(given)
    const cloud = createCloudflareWorkers(api, id)
    const title = `${config.name}-registry`
    const namespace = await findNamespace(cloud, flags.namespace ?? config.namespace, title)
    say('ok', id)
    return { id, access, cloud, namespace, title }
  })
  const { urls, hasDomains } = await steps.take('domain', async (say) => {
    const checks = await checkDomains(cloud, config.name, config.customDomains)
    for (const { problem } of checks) if (problem !== undefined) say('attention', problem)
    const urls = await workerUrls(cloud, config)
    if (checks.every(({ problem }) => problem === undefined)) say('ok', list(urls))
    return { urls, hasDomains: checks.every(({ isOurs }) => isOurs) }
  })
  const { current, tags } = await steps.take('worker', () => markedVersions(cloud, config.name))
  return { id, access, cloud, namespace, title, urls, hasDomains, current, tags }
}

/** A version that only has another secret, set by wrangler, has no mark; that of the one before it tells then. */
async function markedVersions(
  cloud: CloudflareWorkers,
  worker: string,
): Promise<Pick<Account, 'current' | 'tags'>> {
  const versions = await cloud.versions(worker)
  const tags: (string | undefined)[] = []
  for (const version of versions) {
    tags.push(await cloud.tagOf(worker, version))
    if (tags.at(-1) !== undefined) break
  }
  const [version] = versions
  return { current: version === undefined ? undefined : { version, tag: tags[0] }, tags }
}

async function findNamespace(
  cloud: CloudflareWorkers,
  given: string | undefined,
  title: string,
): Promise<string | undefined> {
  const wanted = given === undefined ? undefined : namespaceId(given)
  const namespaces = await cloud.namespaces()
  if (wanted === undefined) return namespaces.find((one) => one.title === title)?.id
  if (namespaces.some(({ id }) => id === wanted)) return wanted
  throw new CliError('cloudflare_not_found', `The account has no KV namespace ${wanted}.`, {
    hint: 'Name another one, or take it out of wrangler.jsonc to have one made.',
  })
}

function onlyAccount(accounts: readonly { id: string; name: string }[]): string {
  const [account] = accounts
  if (account !== undefined && accounts.length === 1) return account.id
  throw new CliError('namespace_unknown', 'It is not known which account at Cloudflare is meant.', {
    hint: 'Name it with --account or CLOUDFLARE_ACCOUNT_ID, or as account_id in wrangler.jsonc.',
    details: accounts.map(({ id, name }) => `${id}  ${name}`),
  })
}
