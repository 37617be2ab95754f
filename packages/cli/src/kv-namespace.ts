import { setTimeout as sleep } from 'node:timers/promises'
import {
  type CloudflareError,
  createKvApi,
  type KvApiOptions,
  openKvStore,
  type RegistryStore,
} from '@mux/edge/registry'
import { apiToken } from './api-token.ts'
import { CliError } from './errors.ts'
import type { KvFlags } from './kv-flags.ts'
import type { Project } from './project.ts'
import { readWranglerConfig } from './wrangler-config.ts'

/** Which registry in Workers KV it is. */
export interface KvNamespace {
  account: string
  namespace: string
  /** The API, up to its version. */
  baseUrl: string
}

export const CLOUDFLARE_API = 'https://api.cloudflare.com/client/v4'
/** How Cloudflare writes the ids of accounts and namespaces. */
const ID = /^[0-9a-f]{32}$/
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/

/**
 * The namespace that is meant, and the registry in it.
 * @param tell told whenever Cloudflare is waited for
 * @throws {CliError} `usage`, `namespace_unknown`, `file_unusable`, `token_missing`
 */
export async function openNamespace(
  project: Project,
  flags: KvFlags,
  environment: NodeJS.ProcessEnv,
  tell: (text: string) => void,
): Promise<{ place: KvNamespace; registry: RegistryStore }> {
  const place = await findNamespace(project, flags, environment)
  const access = await cloudflareAccess(project, flags, environment, tell)
  return { place, registry: openKvStore(createKvApi({ ...place, ...access })) }
}

/** What is needed to ask Cloudflare's API anything. */
export type CloudflareAccess = Required<Pick<KvApiOptions, 'baseUrl' | 'token' | 'wait'>>

/**
 * How the operator gets to Cloudflare's API.
 * @param tell told whenever it is waited for
 * @throws {CliError} `usage`, `token_missing`
 */
export async function cloudflareAccess(
  { directory }: Project,
  flags: Pick<KvFlags, 'token-stdin'>,
  environment: NodeJS.ProcessEnv,
  tell: (text: string) => void,
): Promise<CloudflareAccess> {
  const baseUrl = apiUrl(environment)
  const token = await apiToken({ fromInput: flags['token-stdin'], environment, directory })
  const wait = (milliseconds: number, failure?: CloudflareError) => {
    if (failure) tell(`${failure.message} Next try in ${Math.ceil(milliseconds / 1000)} s.`)
    return sleep(milliseconds)
  }
  return { baseUrl, token, wait }
}

async function findNamespace(
  { directory }: Project,
  flags: KvFlags,
  environment: NodeJS.ProcessEnv,
): Promise<KvNamespace> {
  const needsFile = flags.account === undefined || flags.namespace === undefined
  const config = needsFile ? await readWranglerConfig(directory, flags.env) : undefined
  return {
    account: accountId(flags.account ?? config?.account),
    namespace: namespaceId(flags.namespace ?? config?.namespace),
    baseUrl: apiUrl(environment),
  }
}

/** @throws {CliError} `namespace_unknown`, `usage` */
export function accountId(given: string | undefined): string {
  return id(given, 'account', '--account or CLOUDFLARE_ACCOUNT_ID')
}

/** @throws {CliError} `namespace_unknown`, `usage` */
export function namespaceId(given: string | undefined): string {
  return id(given, 'KV namespace', '--namespace or MUX_KV_NAMESPACE')
}

function id(given: string | undefined, what: string, how: string): string {
  if (given === undefined)
    throw new CliError('namespace_unknown', `It is not known which ${what} at Cloudflare is meant.`, {
      hint: `Name it with ${how}, or in a wrangler.jsonc beside mux.yaml.`,
    })
  if (ID.test(given)) return given
  throw new CliError('usage', `${JSON.stringify(given.slice(0, 80))} cannot be the id of the ${what}.`, {
    hint: 'An id has 32 of 0-9 a-f. wrangler shows them: wrangler whoami   wrangler kv namespace list',
  })
}

/** Whether what stands in for Cloudflare is on this machine. */
export function isCloudflareHere({
  CLOUDFLARE_API_BASE_URL: text = CLOUDFLARE_API,
}: NodeJS.ProcessEnv): boolean {
  return URL.canParse(text) && LOOPBACK.test(new URL(text).hostname)
}

/**
 * The token goes there, so a network between has to be encrypted.
 * @throws {CliError} `usage`
 */
function apiUrl({ CLOUDFLARE_API_BASE_URL: text = CLOUDFLARE_API }: NodeJS.ProcessEnv): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isPrivate = url?.protocol === 'https:' || (url?.protocol === 'http:' && LOOPBACK.test(url.hostname))
  const isBare = url?.username === '' && url.password === '' && url.search === '' && url.hash === ''
  if (url && isPrivate && isBare) return url.href
  throw new CliError(
    'usage',
    'CLOUDFLARE_API_BASE_URL is not a URL that an API token may be sent to.',
    'Give an https URL, or an http one of this machine such as http://127.0.0.1:8787/client/v4.',
  )
}
