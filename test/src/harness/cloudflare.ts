// Stands in for the routes of Cloudflare's REST API that a deployment uses, and refuses what those refuse. What is uploaded
// runs in workerd, bound to what was uploaded with it.
import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { Miniflare } from 'miniflare'
import {
  ACCOUNT,
  type KvRest,
  NAMESPACE,
  startKvRest,
  TOKEN,
} from '../../../packages/edge/src/registry/fixtures/kv-rest.ts'

export interface UploadedVersion {
  id: string
  /** What is said of it beside its modules. */
  metadata: {
    main_module: string
    bindings: { name: string; type: string; [key: string]: unknown }[]
    annotations?: Record<string, string>
    [key: string]: unknown
  }
  /** Texts by name. */
  modules: Record<string, string>
}

export interface AskedOfCloudflare {
  /** `GET /accounts/:account/…`, without what differs. */
  route: string
  authorization: string | undefined
  body: unknown
}

/** What becomes of a request instead of its answer. */
export type CloudflareFault = { status: number; body?: string; headers?: Record<string, string> } | 'hang'

export interface Cloudflare {
  /** The API, up to its version. */
  url: string
  kv: KvRest
  /** Each request so far, but those to KV. */
  asked: AskedOfCloudflare[]
  /** The routes of those that change something. */
  changes(): string[]
  fault: (asked: AskedOfCloudflare) => CloudflareFault | undefined
  workers: Map<string, { versions: UploadedVersion[]; deployments: string[] }>
  /** Worker by host name. */
  domains: Map<string, string>
  namespaces: { id: string; title: string }[]
  /** The version that a Worker answers with. */
  current(worker: string): UploadedVersion
  /** What serves the domains: at `/DOMAIN/PATH`, by the Worker that has it, in workerd and with what is in KV now. */
  front: string
  close(): Promise<void>
}

const ZONE = 'c'.repeat(32)

export async function startCloudflare(): Promise<Cloudflare> {
  const kv = await startKvRest()
  /** By version. */
  const running = new Map<string, Promise<Miniflare>>()
  const server = await listening(answer)
  const front = await listening(serve)
  const cloudflare: Cloudflare = {
    url: `${urlOf(server)}/client/v4`,
    kv,
    asked: [],
    changes: () => cloudflare.asked.map(({ route }) => route).filter((route) => !route.startsWith('GET ')),
    fault: () => undefined,
    workers: new Map(),
    domains: new Map(),
    namespaces: [],
    current: (name) => {
      const worker = cloudflare.workers.get(name)!
      return worker.versions.find(({ id }) => id === worker.deployments[0])!
    },
    front: urlOf(front),
    close: async () => {
      await Promise.all([...running.values()].map(async (one) => (await one).dispose()))
      await kv.close()
      for (const one of [server, front]) {
        one.closeAllConnections()
        await new Promise((resolve) => one.close(resolve))
      }
    },
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, domain = '', path = ''] = /^\/([^/]+)(.*)$/.exec(request.url!)!
    const worker = cloudflare.domains.get(domain)
    if (worker === undefined) return void response.writeHead(530).end()
    const version = cloudflare.current(worker)
    const started = running.get(version.id) ?? startVersion(version)
    running.set(version.id, started)
    const miniflare = await started
    const namespace: { put(key: string, value: string): Promise<void> } =
      await miniflare.getKVNamespace('REGISTRY')
    for (const [key, { value }] of kv.values) await namespace.put(key, value)
    const { authorization } = request.headers
    const answered = await miniflare.dispatchFetch(`https://${domain}${path}`, {
      redirect: 'manual',
      headers: authorization === undefined ? {} : { authorization },
    })
    response.writeHead(answered.status).end(await answered.text())
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url!, cloudflare.url)
    const path = url.pathname.replace('/client/v4', '')
    const bytes = await buffer(request)
    const kvKeys = /^\/accounts\/[^/]+\/storage\/kv\/namespaces\/[^/]+(\/.*)/.exec(path)
    if (kvKeys) return passOn(request, bytes, url, response)
    const { authorization, 'content-type': type = '' } = request.headers
    const body = await bodyOf(bytes, type)
    const asked = { route: `${request.method} ${path.replace(ACCOUNT, ':account')}`, authorization, body }
    cloudflare.asked.push(asked)
    if (authorization !== `Bearer ${TOKEN}`) return refuse(response, 401, 10000, 'Authentication error')
    const fault = cloudflare.fault(asked)
    if (fault === 'hang') return
    if (fault) return void response.writeHead(fault.status, fault.headers).end(fault.body ?? '')
    const found = route(asked.route, url, body)
    if (Array.isArray(found)) return refuse(response, ...found)
    send(response, 200, { success: true, errors: [], messages: [], ...found })
  }

  /** One KV namespace stands for all: each is told by its id, and the tests have one. */
  async function passOn(request: IncomingMessage, bytes: Buffer, url: URL, response: ServerResponse) {
    const there = kv.url + url.pathname.replace('/client/v4', '') + url.search
    const passed = await fetch(there, {
      method: request.method!,
      headers: { authorization: request.headers.authorization ?? '', 'content-type': 'application/json' },
      ...(request.method === 'GET' ? {} : { body: new Uint8Array(bytes) }),
    })
    response.writeHead(passed.status).end(await passed.text())
  }

  /** @returns the result, or status, number and text of a refusal */
  function route(asked: string, url: URL, body: unknown): { result: unknown } | [number, number, string] {
    const script = /^(\w+) \/accounts\/:account\/workers\/(?:scripts|services|workers)\/([^/]+)(.*)$/.exec(
      asked,
    )
    if (script) return workerRoute(script[1]!, script[2]!, script[3]!, url, body)
    switch (asked) {
      case 'GET /accounts':
        return { result: [{ id: ACCOUNT, name: 'Circus' }] }
      // What wrangler asks after a refusal, to say more about it.
      case 'GET /user/tokens/verify':
        return { result: { id: 't', status: 'active' } }
      case 'GET /memberships':
        return { result: [] }
      case 'GET /user':
        return [403, 9109, 'Unauthorized to access requested resource']
      case 'GET /accounts/:account/storage/kv/namespaces':
        return { result: cloudflare.namespaces }
      case 'POST /accounts/:account/storage/kv/namespaces': {
        const { title } = body as { title: string }
        if (cloudflare.namespaces.some((one) => one.title === title))
          return [400, 10014, 'a namespace with this account ID and title already exists']
        cloudflare.namespaces.push({ id: NAMESPACE, title })
        return { result: { id: NAMESPACE, title } }
      }
      case 'GET /accounts/:account/workers/domains': {
        const hostname = url.searchParams.get('hostname')!
        const service = cloudflare.domains.get(hostname)
        return { result: service === undefined ? [] : [{ id: 'd', hostname, service, zone_id: ZONE }] }
      }
      case 'GET /accounts/:account/workers/subdomain':
        return { result: { subdomain: 'circus' } }
      default:
        return [404, 7003, `Could not route to ${asked}`]
    }
  }

  function workerRoute(
    method: string,
    name: string,
    rest: string,
    url: URL,
    body: unknown,
  ): { result: unknown } | [number, number, string] {
    const worker = cloudflare.workers.get(name)
    const versionId = /^\/versions\/([^/]+)$/.exec(rest)?.[1]
    if (versionId !== undefined) {
      const version = worker?.versions.find(({ id }) => id === versionId)
      return version
        ? { result: { id: version.id, annotations: version.metadata.annotations } }
        : [404, 10031, 'no such version']
    }
    switch (`${method} ${rest}`) {
      case 'PUT ':
      case 'POST /versions': {
        const version = body as UploadedVersion
        const id = randomUUID()
        const { versions, deployments } = worker ?? { versions: [], deployments: [] }
        versions.push({ ...version, id })
        if (method === 'PUT') deployments.unshift(id)
        cloudflare.workers.set(name, { versions, deployments })
        return {
          result: {
            id,
            etag: 'e',
            deployment_id: id.replaceAll('-', ''),
            startup_time_ms: 4,
            resources: { script: { etag: 'e' } },
          },
        }
      }
      case 'POST /deployments': {
        const [share] = (body as { versions: { version_id: string }[] }).versions
        const [latest, wanted] = [
          worker!.versions.at(-1)!,
          worker!.versions.find(({ id }) => id === share!.version_id)!,
        ]
        if (secretsOf(wanted) !== secretsOf(latest) && !url.searchParams.has('force'))
          return [400, 10220, 'The following secrets have changed: EDGE_KEY']
        worker!.deployments.unshift(share!.version_id)
        return { result: { id: randomUUID() } }
      }
      case 'POST /domains/changeset':
        return { result: { added: [], removed: [], updated: [], conflicting: [] } }
      case 'PUT /domains/records':
        for (const { hostname } of (body as { origins: { hostname: string }[] }).origins)
          cloudflare.domains.set(hostname, name)
        return { result: [] }
      case 'POST /subdomain':
        return { result: body }
      case 'PATCH /script-settings':
        return { result: body }
    }
    if (worker === undefined) return [404, 10007, 'This Worker does not exist on your account.']
    switch (`${method} ${rest}`) {
      case 'GET ':
        return {
          result: {
            id: name,
            subdomain: { enabled: false, previews_enabled: false },
            default_environment: {
              environment: 'production',
              script: { id: name, tag: 'f', tags: null, last_deployed_from: 'wrangler' },
            },
          },
        }
      case 'GET /secrets':
        return { result: [] }
      case 'GET /settings':
        return { result: { bindings: [] } }
      case 'GET /deployments':
        return {
          result: {
            deployments: worker.deployments.map((version_id, at) => ({
              id: `d${at}`,
              source: 'wrangler',
              created_on: new Date().toISOString(),
              annotations: {},
              versions: [{ version_id, percentage: 100 }],
            })),
          },
        }
      default:
        return [404, 7003, `Could not route to ${method} ${rest}`]
    }
  }
  return cloudflare
}

function secretsOf({ metadata }: UploadedVersion): string {
  return JSON.stringify(metadata.bindings.filter(({ type }) => type === 'secret_text'))
}

async function bodyOf(bytes: Buffer, type: string): Promise<unknown> {
  if (bytes.length === 0) return undefined
  if (type.startsWith('application/json')) return JSON.parse(bytes.toString())
  if (!type.startsWith('multipart/form-data')) throw new Error(`a body of type ${type}`)
  const form = await new Response(new Uint8Array(bytes), { headers: { 'content-type': type } }).formData()
  const modules: Record<string, string> = {}
  let metadata: unknown
  for (const [name, part] of form) {
    if (typeof part === 'string') metadata = JSON.parse(part)
    else modules[name] = await part.text()
  }
  return { metadata, modules }
}

async function startVersion(version: UploadedVersion): Promise<Miniflare> {
  const miniflare = new Miniflare(configurationOf(version))
  await miniflare.ready
  return miniflare
}

async function listening(
  handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
): Promise<Server> {
  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}

function urlOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** As miniflare wants it, what was said of a version. */
function configurationOf({ id, metadata, modules }: UploadedVersion) {
  const types: Record<string, (binding: { [key: string]: unknown }) => unknown> = {
    secret_text: ({ text }) => ({ type: 'text', value: text }),
    kv_namespace: () => ({ type: 'kv', id: NAMESPACE }),
    version_metadata: () => ({ type: 'json', value: { id } }),
    ratelimit: ({ namespace_id: namespace, simple }) => ({ type: 'rate-limit', namespace, simple }),
  }
  const env = metadata.bindings.map((binding) => [binding.name, types[binding.type]!(binding)] as const)
  const code = Object.entries(modules).filter(([name]) => name.endsWith('.js'))
  return {
    cf: false as const,
    enableDevRegistry: false,
    workers: [
      {
        config: {
          name: 'deployed',
          compatibilityDate: String(metadata['compatibility_date']),
          manifest: {
            mainModule: metadata.main_module,
            modules: Object.fromEntries(
              code.map(([name, contents]) => [name, { type: 'esm' as const, contents }]),
            ),
          },
          env: Object.fromEntries(env) as Record<string, never>,
        },
      },
    ],
  }
}

function refuse(response: ServerResponse, status: number, code: number, message: string): void {
  send(response, status, { success: false, errors: [{ code, message }], messages: [], result: null })
}

function send(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}
