import { randomBytes } from 'node:crypto'
import { cp, mkdir, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { type Program, start } from './program.ts'

// The package has no types; what it exports is the path of the binary.
const { default: workerd } = createRequire(import.meta.url)('workerd') as { default: string }

export interface Workers extends Program {
  /** Origins by service. */
  passThrough: string
  edge: string
  /** Writes one record where the edge reads it. */
  put: (key: string, value: string) => Promise<void>
}

export interface EdgeBundle {
  /** The file that `wrangler deploy` would upload. */
  file: string
  compatibilityDate: string
  compatibilityFlags: string[]
}

/** What the Worker needs to sign with, made up for one run. */
export function newSecrets(): Record<string, string> {
  const key = () => randomBytes(32).toString('base64')
  return { EDGE_KEY: key(), SESSION_KEY: key() }
}

/**
 * One workerd with mux's Worker, the Worker that it is measured against, and a KV namespace: the runtime alone, without
 * what miniflare puts before it.
 */
export async function startWorkers(
  directory: string,
  bundle: EdgeBundle,
  upstream: string,
  secrets: Record<string, string>,
): Promise<Workers> {
  await mkdir(join(directory, 'kv'), { recursive: true })
  await cp(bundle.file, join(directory, 'edge.js'))
  await cp(join(import.meta.dirname, 'fixtures', 'pass-through.js'), join(directory, 'pass-through.js'))
  await writeFile(join(directory, 'config.capnp'), configuration(bundle, upstream, Object.keys(secrets)))

  const ports = new Map<string, number>()
  const program = await start(
    {
      command: [workerd, 'serve', '--experimental', '--control-fd=3', 'config.capnp'],
      directory,
      environment: secrets,
      announces: 3,
    },
    (line) => {
      const event = JSON.parse(line) as { event: string; socket: string; port: number }
      if (event.event === 'listen') ports.set(event.socket, event.port)
      return ports.size === 3 ? ports : undefined
    },
  )
  const origin = (socket: string) => `http://127.0.0.1:${ports.get(socket)}`
  return {
    pid: program.pid,
    stop: program.stop,
    passThrough: origin('pass-through'),
    edge: origin('edge'),
    async put(key, value) {
      const url = `${origin('kv')}/${encodeURIComponent(key)}`
      const answer = await fetch(url, { method: 'PUT', body: value, signal: AbortSignal.timeout(10_000) })
      if (!answer.ok) throw new Error(`KV answered ${answer.status} to ${key}`)
    },
  }
}

function configuration(bundle: EdgeBundle, upstream: string, secrets: string[]): string {
  const texts = (names: string[]) => names.map((name) => JSON.stringify(name)).join(', ')
  const kv = '(name = "kv", props = (json = "{\\"namespace\\":\\"registry\\"}"))'
  const both = `compatibilityDate = "${bundle.compatibilityDate}", compatibilityFlags = [${texts(bundle.compatibilityFlags)}], globalOutbound = "network"`
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "network", network = (allow = ["private", "public"])),
    (name = "pass-through", worker = (
      modules = [(name = "pass-through.js", esModule = embed "pass-through.js")],
      bindings = [(name = "UPSTREAM", text = ${JSON.stringify(upstream)})],
      ${both}
    )),
    (name = "edge", worker = (
      modules = [(name = "edge.js", esModule = embed "edge.js")],
      bindings = [
        (name = "REGISTRY", kvNamespace = ${kv}),
        ${secrets.map((name) => `(name = "${name}", fromEnvironment = "${name}")`).join(',\n        ')}
      ],
      ${both}
    )),
    (name = "kv-disk", disk = (path = "kv", writable = true)),
    (name = "kv", worker = (
      modules = [(name = "kv.js", bundled = "/workerd/kv.js")],
      compatibilityDate = "${bundle.compatibilityDate}",
      durableObjectNamespaces = [(className = "KVNamespace", uniqueKey = "registry", enableSql = true)],
      durableObjectStorage = (localDisk = "kv-disk"),
      bindings = [
        (name = "SHARD", durableObjectNamespace = "KVNamespace"),
        (name = "BLOBS", service = "kv-disk")
      ]
    ))
  ],
  sockets = [
    (name = "pass-through", address = "127.0.0.1:0", http = (), service = "pass-through"),
    (name = "edge", address = "127.0.0.1:0", http = (), service = "edge"),
    (name = "kv", address = "127.0.0.1:0", http = (), service = ${kv})
  ]
);
`
}
