import { MAX_LABEL, RecordError, type TokenRecord, type UserName } from '@mux/contract'
import { createToken, parseToken, type RegistryChange, type RegistryStore } from '@mux/edge/registry'
import { LONG_DURATION_RULE, parseLongDuration } from '../config-values.ts'
import { CliError } from '../errors.ts'
import { userNotFound } from './existing-user.ts'

export interface TokenOrder {
  user: UserName
  label: string | null
  /** When it ends; null: never. */
  expires: string | null
}

export interface MadeToken extends TokenOrder {
  id: string
  /** Known to nobody else from here on. */
  token: string
}

/** @throws {CliError} `user_not_found` */
export async function makeToken(registry: RegistryStore, order: TokenOrder): Promise<MadeToken> {
  const { id, token, sha256 } = createToken()
  await registry.change((read) => {
    if (read('user', order.user) === undefined) throw userNotFound(order.user)
    const record: TokenRecord = { v: 1, ...order, sha256, used: null }
    return { changes: [{ kind: 'token', name: id, record }], result: null }
  })
  return { id, token, ...order }
}

export interface ListedToken {
  id: string
  user: string | null
  label: string | null
  expires: string | null
  expired: boolean
  /** The day on which it was last used, in UTC. */
  used: string | null
  /** Why the record cannot be used; null when it can. */
  problem: string | null
}

/** @param user undefined: the tokens of all */
export async function listTokens(
  registry: RegistryStore,
  user: UserName | undefined,
): Promise<ListedToken[]> {
  const tokens = (await registry.list('token')).map(({ name: id, record }): ListedToken => {
    if (record instanceof RecordError)
      return {
        id,
        user: null,
        label: null,
        expires: null,
        expired: true,
        used: null,
        problem: record.message,
      }
    const { label, expires, used } = record
    const expired = expires !== null && Date.parse(expires) <= Date.now()
    return { id, user: record.user, label, expires, expired, used, problem: null }
  })
  return user === undefined ? tokens : tokens.filter((token) => token.user === user)
}

/**
 * @param named its id, or the whole token, as it was found where it should not be
 * @throws {CliError} `token_not_found`
 */
export async function revokeToken(registry: RegistryStore, named: string): Promise<ListedToken> {
  const id = parseToken(named)?.id ?? named
  const token = (await listTokens(registry, undefined)).find((one) => one.id === id)
  if (token === undefined)
    throw new CliError('token_not_found', 'There is no such token.', 'See what there is: mux token list')
  await registry.change(() => ({ changes: [removal(id)], result: null }))
  return token
}

/** What takes all tokens of a user away. One that is made at the same moment is not among them. */
export async function removalOfTokens(registry: RegistryStore, user: UserName): Promise<RegistryChange[]> {
  return (await listTokens(registry, user)).map(({ id }) => removal(id))
}

function removal(id: string): RegistryChange {
  return { kind: 'token', name: id, record: null }
}

/** The moment that lies a duration ahead, as the operator types it. @throws {CliError} `usage` */
export function expiryAfter(text: string): string {
  const duration = parseLongDuration(text)
  if (duration === undefined)
    throw new CliError(
      'usage',
      `--expires cannot be ${JSON.stringify(text)}.`,
      `Give ${LONG_DURATION_RULE}; leave it out for a token without end.`,
    )
  return new Date(Date.now() + duration).toISOString()
}

/** @throws {CliError} `usage` */
export function tokenLabel(text: string): string {
  const label = text.trim()
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (label !== '' && label.length <= MAX_LABEL && !/[\0-\x1f\x7f]/.test(label)) return label
  throw new CliError('usage', 'That cannot be a label.', `It has 1 to ${MAX_LABEL} characters, on one line.`)
}
