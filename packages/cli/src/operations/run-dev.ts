import { DatabaseSync } from 'node:sqlite'
import { createServer } from 'node:net'
import { once } from 'node:events'
import type { HostName } from '@mux/contract'
import type { DevWorker } from '@mux/edge/dev'
import { deriveHostKey } from '@mux/instance/host-key'
import { type ListenAddress, listenText } from '../config-values.ts'
import { edgeRing, hostKeys, hostRing } from '../edge-keys.ts'
import { type Embedded, startEmbedded } from '../embedded.ts'
import { CliError, toCliError } from '../errors.ts'
import type { EventLog } from '../event-log.ts'
import { acceptKey, currentFile } from '../key-ring.ts'
import { ensureKey } from '../keys.ts'
import { type ProjectConfig, readConfig } from '../mux-yaml.ts'
import { refuseOpenHttp } from '../open-http.ts'
import { ensureStateDirectory, type Project } from '../project.ts'
import { hostStatus } from '../running-host.ts'
import { readWorkerConfig } from '../worker-config.ts'
import { workerModule, workerTemplate } from '../worker-module.ts'
import { workerSecrets } from '../worker-secrets.ts'
import { pushRegistry } from './copy-registry.ts'

export interface DevOptions {
  /** Undefined: where mux.yaml has the edge. */
  listen: ListenAddress | undefined
  version: string
  environment: NodeJS.ProcessEnv
  log: EventLog
  /** Told what a person at the terminal wants to know. */
  tell: (text: string) => void
}

export interface Dev {
  url: string
  host: HostName
  /** Where the gateway of that host is. */
  gateway: string
  /** Whether the host was started for this, and ends with it. */
  ownHost: boolean
  close(hurry: AbortSignal): Promise<void>
}

/** The host that is started where none runs. */
const DEV_HOST = 'dev' as HostName
/** How often it is looked whether a record has changed, in milliseconds. */
const LOOK = 500
const DEV_ENVIRONMENT = 'dev'

/**
 * Runs the real Worker in workerd, before the host of this project, which is started if it does not run.
 * @throws {CliError}
 */
export async function startDev(project: Project, options: DevOptions): Promise<Dev> {
  const { log, tell } = options
  const config = await readConfig(project)
  const { host: hostname, port } = options.listen ?? config.edge.listen
  await refuseOpenHttp(hostname)
  const listen = { host: hostname, port: port === 0 ? await freePort() : port }
  const startDevWorker = await loadDevWorker()
  await ensureStateDirectory(project)
  const { host, gateway, embedded } = await findHost(project, config, options)
  const ends: (() => Promise<unknown>)[] = embedded ? [() => embedded.close(AbortSignal.abort())] : []
  try {
    const { site } = await workerModule(config)
    const worker = await startDevWorker({
      listen,
      bindings: { ...site, ...(await workerSecrets(project, DEV_ENVIRONMENT)) },
      compatibilityDate: readWorkerConfig('', await workerTemplate(), undefined).compatibilityDate!,
      log: (line) => log({ event: 'worker', line }),
      rebuilt: (problems) => tell(problems.length === 0 ? 'The Worker was built anew.' : problems.join('\n')),
    }).catch((error: unknown) => {
      throw workerFailed(error, listen)
    })
    ends.unshift(() => worker.close())
    const stopCopying = await copyRecords(project, worker, tell)
    return {
      url: worker.url,
      host,
      gateway,
      ownHost: embedded !== undefined,
      close: async (hurry) => {
        stopCopying()
        await worker.close()
        await embedded?.close(hurry)
      },
    }
  } catch (error) {
    for (const end of ends)
      await end().catch((another: unknown) => log({ event: 'not_ended', error: another }))
    throw error
  }
}

/** What runs workerd is no part of what other commands need. */
async function loadDevWorker() {
  try {
    return (await import('@mux/edge/dev')).startDevWorker
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new CliError('tool_missing', 'mux dev needs miniflare and esbuild, which are not installed.', {
      hint: 'A clone of mux has them. Elsewhere, beside mux: npm install miniflare esbuild',
      cause: error,
    })
  }
}

/** The host of this project, as it runs or started now. */
async function findHost(
  project: Project,
  config: ProjectConfig,
  { version, environment, log }: DevOptions,
): Promise<{ host: HostName; gateway: string; embedded: Embedded | undefined }> {
  const running = await hostStatus(project)
  if (running?.host === 'local')
    throw new CliError('already_running', 'mux runs here with an edge of its own.', {
      hint: 'The Worker takes the place of that: mux down',
    })
  const edgeKey = await ensureKey(currentFile(edgeRing(project)))
  if (running !== undefined) {
    await checkKey(project, running.host as HostName, edgeKey)
    return {
      host: running.host as HostName,
      gateway: running.url ?? 'an address that it did not say',
      embedded: undefined,
    }
  }
  // A host that was started here would be known by another URL, and with it all its instances and users.
  if (config.registry === 'kv')
    throw new CliError(
      'usage',
      'The edge of this project is at Cloudflare, and its records would be changed.',
      {
        hint: 'Work on the Worker in a project of its own: mux init',
      },
    )
  if (config.host === null)
    await acceptKey(hostRing(project, DEV_HOST), deriveHostKey(edgeKey, DEV_HOST), Date.now())
  else await checkKey(project, config.host.name, edgeKey)
  const listen = config.host?.listen ?? { host: '127.0.0.1', port: await freePort() }
  const origin = `http://${listenText(listen)}`
  const name = config.host?.name ?? DEV_HOST
  const embedded = await startEmbedded({ project, version, environment, log, listen, host: { name, origin } })
  return { host: name, gateway: embedded.url, embedded }
}

/** @throws {CliError} `key_unusable` where the host knows another edge */
async function checkKey(project: Project, host: HostName, edgeKey: Uint8Array): Promise<void> {
  const known = await hostKeys(project, host)
  const derived = Buffer.from(deriveHostKey(edgeKey, host))
  if (known.some((key) => derived.equals(key))) return
  throw new CliError(
    'key_unusable',
    `The host ${host} here belongs to an edge elsewhere, and would refuse this one.`,
    {
      hint: 'Work on the Worker in a project of its own: mux init',
    },
  )
}

/** Has the Worker see each record as it is here, from now on. */
async function copyRecords(
  project: Project,
  { registry }: DevWorker,
  tell: (text: string) => void,
): Promise<() => void> {
  const push = () => pushRegistry(project, registry, () => Promise.resolve())
  await push()
  const database = new DatabaseSync(project.state.registry, { readOnly: true })
  const versionNow = () => database.prepare('PRAGMA data_version').get()!['data_version']
  let seen = versionNow()
  let pushing = false
  const timer = setInterval(() => {
    const version = versionNow()
    if (pushing || version === seen) return
    pushing = true
    seen = version
    push()
      .catch((error: unknown) => tell(toCliError(error).message))
      .finally(() => (pushing = false))
  }, LOOK)
  return () => {
    clearInterval(timer)
    database.close()
  }
}

function workerFailed(error: unknown, listen: ListenAddress): CliError {
  const text = error instanceof Error ? error.message : String(error)
  if (/EADDRINUSE|Address already in use/i.test(text))
    return new CliError('address_in_use', `Another program listens on ${listenText(listen)}.`, {
      hint: 'Choose another: mux dev --listen 127.0.0.1:8081',
      cause: error,
    })
  return new CliError('start_failed', 'The Worker does not start.', {
    details: text.split('\n'),
    cause: error,
  })
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return address.port
}
