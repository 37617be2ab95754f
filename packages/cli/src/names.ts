import {
  type HostName,
  INSTANCE_NAME_RULE,
  type InstanceName,
  parseInstanceName,
  parseRouteKey,
  parseUserName,
  ROUTE_KEY_RULE,
  type RouteKey,
  USER_NAME_RULE,
  type UserName,
} from '@mux/contract'
import { HOST_NAME_RULE, parseRemoteHostName } from './config-values.ts'
import { CliError } from './errors.ts'

/** Names as the operator types them; all throw {@link CliError} `name_invalid`. */

export function userName(text: string): UserName {
  return parseUserName(text) ?? refuse(text, 'a user', USER_NAME_RULE)
}

export function instanceName(text: string): InstanceName {
  return parseInstanceName(text) ?? refuse(text, 'an instance', INSTANCE_NAME_RULE)
}

export function hostName(text: string): HostName {
  return parseRemoteHostName(text) ?? refuse(text, 'a host', HOST_NAME_RULE)
}

/** With a port, it would be taken for a route of that port alone, and with `--public` open the host name at every one. */
export function routeKey(text: string): RouteKey {
  const key = HAS_PORT.test(text) ? undefined : parseRouteKey(text)
  return key ?? refuse(text, 'a route', ROUTE_KEY_RULE)
}

const HAS_PORT = /(?:^[^:]*|\]):\d+$/

function refuse(text: string, what: string, rule: string): never {
  const shown = text.length > 80 ? `${text.slice(0, 77)}...` : text
  throw new CliError(
    'name_invalid',
    `${JSON.stringify(shown)} cannot be the name of ${what}.`,
    `It has to be: ${rule}`,
  )
}
