import { Problem, type Target, type UserName } from '@mux/contract'
import { createNodeEdge, type RegistryStore } from '@mux/edge'
import {
  createGateway,
  createInstanceHost,
  type Gateway,
  type GatewayOptions,
  type HandleOrder,
  type LeaseSource,
} from '@mux/instance'
import { type CertificateFiles, readCertificate, watchCertificate } from './certificate.ts'
import { type ListenAddress, listenText } from './config-values.ts'
import { commandRunner } from './command-runner.ts'
import { controlKeys, hostKeys, sessionKeys } from './edge-keys.ts'
import { CliError } from './errors.ts'
import type { EventLog } from './event-log.ts'
import { openHostMemory } from './host-memory.ts'
import { readLogo } from './logo.ts'
import type { ProjectConfig } from './mux-yaml.ts'
import { refuseOpenAddress, refuseOpenHttp } from './open-http.ts'
import type { Project } from './project.ts'

/** What takes requests on this host. */
export interface Front {
  /**
   * @param admit looks at the address of a socket that was handed over before anybody is accepted from it
   * @throws what `admit` does; the error of the system when the address cannot be had
   */
  listen(admit?: (address: string) => void): Promise<{ url: string }>
  /** Takes no more but what is on its way, until each request is being answered; for up to `limit` milliseconds. */
  settle(limit: number): Promise<void>
  /** Takes no more, and lets what is under way come to its end for up to `limit` milliseconds. */
  close(limit: number): Promise<void>
  /** Whether it speaks TLS. */
  readonly isSecure: boolean
  /** Uses the keys that are on the disk now. */
  reloadKeys(): Promise<void>
  /** What the operator says of users and instances to the gateway; null where the edge is here, and reads it itself. */
  readonly gateway: Pick<Gateway, 'known' | 'hold' | 'release'> | null
}

/** Where requests come in: an address, or the listening socket that this process was started with. */
export type Door = ListenAddress | { fd: number }

export interface FrontOptions {
  project: Project
  config: ProjectConfig
  listen: Door
  target: Target
  registry: RegistryStore
  source: LeaseSource
  holding: GatewayOptions['holding']
  /** What the gateway speaks TLS with; null: it does not. */
  tls: CertificateFiles | null
  /** Carries out orders that come over the network. */
  handle: HandleOrder
  environment: NodeJS.ProcessEnv
  log: EventLog
}

/**
 * Takes requests from now on.
 * @param behindProxy whether plain HTTP will do at any address
 * @returns the URL at which it does
 * @throws {CliError} `address_in_use`, `address_unusable`, `not_permitted`, `plain_http_refused`, `socket_unusable`
 */
export async function openFront(front: Front, listen: Door, behindProxy: boolean): Promise<string> {
  const isPlain = !front.isSecure && !behindProxy
  if (isPlain && 'host' in listen) await refuseOpenHttp(listen.host)
  try {
    const { url } = await front.listen(isPlain ? (address) => refuseOpenAddress(address) : undefined)
    return url
  } catch (error) {
    if (!(error instanceof CliError)) throw listenError(error as NodeJS.ErrnoException, listen)
    await front.close(0)
    throw error
  }
}

/**
 * The edge in this process, in front of the instances in this process.
 * @throws {CliError} `certificate_unusable`, `file_unusable`, `key_unusable`
 */
export async function edgeFront(options: FrontOptions): Promise<Front> {
  const { project, config, listen, target, registry, source, log } = options
  const { identityHeader, session, cookies, name, logo, trustedProxies, tls, limits } = config.edge
  const edge = createNodeEdge({
    registry,
    host: createInstanceHost({ source, identityHeader, bodySilence: limits.body }),
    hostName: target.host,
    sessionKeys: await sessionKeys(project),
    sessionLimits: { absolute: session.absolute / 1000, idle: session.idle / 1000 },
    stateFile: project.state.edge,
    identityHeader,
    isolateCookies: cookies === 'isolate',
    brand: { name: name ?? undefined, logo: logo === null ? undefined : await readLogo(logo) },
    trustedProxies,
    limits,
    ...(tls === null ? {} : { certificate: await readCertificate(tls) }),
    listen,
    log,
  })
  const watch =
    tls === null ? undefined : watchCertificate(tls, (certificate) => edge.useCertificate(certificate), log)
  return {
    ...edge,
    isSecure: tls !== null,
    gateway: null,
    close: async (limit) => {
      watch?.stop()
      await edge.close(limit)
    },
    reloadKeys: async () => edge.useSessionKeys(await sessionKeys(project)),
  }
}

/**
 * The gateway of this host, for an edge that runs elsewhere and signs what it sends.
 * @throws {CliError} `certificate_unusable`; `key_unusable` when this host has no key
 */
export async function gatewayFront(options: FrontOptions): Promise<Front> {
  const { project, config, listen, target, registry, source, holding, tls, handle, environment, log } =
    options
  let keys = await hostKeys(project, target.host)
  let operators = await controlKeys(project, target.host)
  const certificate = tls === null ? {} : { certificate: await readCertificate(tls) }
  // Last of all that may fail, since it has to be closed.
  const memory = openHostMemory(project.state.known)
  const gateway = createGateway({
    host: target.host,
    keys: (id) => (id === target.host ? keys : []),
    source,
    knownVersion: (user) => knownVersion(registry, user),
    floors: memory,
    nonces: memory.nonces,
    holding,
    identityHeader: config.edge.identityHeader,
    limits: config.edge.limits,
    ...certificate,
    control: {
      keys: () => operators,
      takeNonce: (nonce, until, now) => memory.takeNonce(nonce, until, now),
      handle,
      run: commandRunner(project, environment),
      spoolDirectory: project.state.run,
    },
    now: Date.now,
    log,
  })
  const watch =
    tls === null
      ? undefined
      : watchCertificate(tls, (certificate) => gateway.useCertificate(certificate), log)
  return {
    listen: async (admit) => {
      const { address, port } = await gateway.listen(listen, admit)
      return { url: `http${tls === null ? '' : 's'}://${listenText({ host: address, port })}` }
    },
    isSecure: tls !== null,
    gateway,
    settle: (limit) => gateway.settle(limit),
    close: async (limit) => {
      watch?.stop()
      await gateway.close(limit)
      memory.close()
    },
    reloadKeys: async () => {
      keys = await hostKeys(project, target.host)
      operators = await controlKeys(project, target.host)
    },
  }
}

/** @throws {Problem} `registry_unavailable`: who cannot be looked up may have been shut out */
async function knownVersion(registry: RegistryStore, user: UserName): Promise<number | undefined> {
  try {
    return (await registry.read('user', user))?.version
  } catch (error) {
    throw new Problem('registry_unavailable', { cause: error })
  }
}

function listenError(error: NodeJS.ErrnoException, listen: Door): unknown {
  if ('fd' in listen) {
    return new CliError('socket_unusable', 'mux was started with a socket that is no listening TCP socket.', {
      hint: 'Look at ListenStream= of the socket unit: mux service show',
      cause: error,
    })
  }
  const address = listenText(listen)
  const other = listenText({
    ...listen,
    port: listen.port >= 1024 && listen.port < 65_535 ? listen.port + 1 : 8080,
  })
  const hint = `Choose another: mux up --listen ${other}, or listen in mux.yaml`
  switch (error.code) {
    case 'EADDRINUSE':
      return new CliError('address_in_use', `Another program listens on ${address}.`, { hint, cause: error })
    case 'EACCES':
      return new CliError('not_permitted', `This user may not listen on ${address}.`, { hint, cause: error })
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new CliError('address_unusable', `This machine has no address ${listen.host}.`, {
        hint: 'Choose another: mux up --listen 127.0.0.1:8080, or listen in mux.yaml',
        cause: error,
      })
    default:
      return error
  }
}
