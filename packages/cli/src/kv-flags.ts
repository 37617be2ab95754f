import { Flags } from './oclif.ts'

/** How a command is told which namespace of Workers KV it is about, and with which token it gets there. */
export const kvFlags = {
  account: Flags.string({
    description: 'account at Cloudflare; else account_id in wrangler.jsonc',
    env: 'CLOUDFLARE_ACCOUNT_ID',
    helpValue: 'ID',
  }),
  namespace: Flags.string({
    description: 'namespace of Workers KV; else the one bound as REGISTRY in wrangler.jsonc',
    env: 'MUX_KV_NAMESPACE',
    helpValue: 'ID',
  }),
  env: Flags.string({
    description: 'environment of wrangler.jsonc',
    env: 'CLOUDFLARE_ENV',
    helpValue: 'NAME',
  }),
  'token-stdin': Flags.boolean({
    description: 'read the API token from standard input; else CLOUDFLARE_API_TOKEN, else that of wrangler',
  }),
}

/** What was given of {@link kvFlags}. */
export interface KvFlags {
  account: string | undefined
  namespace: string | undefined
  env: string | undefined
  'token-stdin': boolean
}

/** The same for a command that has no such flags. */
export function kvFlagsOf(environment: NodeJS.ProcessEnv): KvFlags {
  const given = (name: string) => environment[name] || undefined
  return {
    account: given('CLOUDFLARE_ACCOUNT_ID'),
    namespace: given('MUX_KV_NAMESPACE'),
    env: given('CLOUDFLARE_ENV'),
    'token-stdin': false,
  }
}
