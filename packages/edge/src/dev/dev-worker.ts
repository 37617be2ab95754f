import { Miniflare, type MiniflareOptions } from 'miniflare'
import { openKvStore } from '../registry/kv-store.ts'
import type { RegistryStore } from '../registry/registry.ts'
import { kvBindingApi, type KvBinding } from './kv-binding-api.ts'
import { type BuiltWorker, watchWorker } from './watch-worker.ts'

export interface DevWorkerOptions {
  /** An address of this machine that nobody else reaches. */
  listen: { host: string; port: number }
  /** What the Worker is bound to besides its registry: names and texts. */
  bindings: Readonly<Record<string, string>>
  /** As wrangler.jsonc has it: what is seen here is not to differ by it. */
  compatibilityDate: string
  /** Told each line that the Worker logs. */
  log: (line: string) => void
  /** Told after each build but the first: what is wrong with the source, or that a new Worker serves. */
  rebuilt: (problems: readonly string[]) => void
}

/** The real Worker in workerd, built anew when its source changes. */
export interface DevWorker {
  url: string
  /** The KV namespace that it reads. */
  registry: RegistryStore
  close(): Promise<void>
}

const NAMESPACE = 'registry'
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Builds the Worker and runs it.
 * @throws {Error} with what is wrong with its source, or the error of the system when the address cannot be had
 */
export async function startDevWorker(options: DevWorkerOptions): Promise<DevWorker> {
  const { listen, rebuilt } = options
  let miniflare: Miniflare | undefined
  const watch = await watchWorker(async ({ source, problems }: BuiltWorker) => {
    try {
      if (source !== undefined) await miniflare?.setOptions(configuration(source, options))
      rebuilt(problems)
    } catch (error) {
      // What is built may still be nothing that workerd starts.
      rebuilt([error instanceof Error ? error.message : String(error)])
    }
  })
  try {
    miniflare = withoutSignals(() => new Miniflare(configuration(watch.first, options)))
    await miniflare.ready
    const registry: KvBinding = await miniflare.getKVNamespace('REGISTRY')
    const running = miniflare
    const { host, port } = listen
    return {
      url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
      registry: openKvStore(kvBindingApi(registry)),
      close: async () => {
        await watch.close()
        await running.dispose()
      },
    }
  } catch (error) {
    await watch.close()
    await miniflare?.dispose()
    throw error
  }
}

/** At a signal miniflare ends the process at once, whatever its owner does then. */
function withoutSignals<Result>(make: () => Result): Result {
  const before = SIGNALS.map((signal) => process.listeners(signal))
  const made = make()
  for (const [at, signal] of SIGNALS.entries())
    for (const listener of process.listeners(signal))
      if (!before[at]!.includes(listener)) process.off(signal, listener)
  return made
}

function configuration(
  source: string,
  { listen, bindings, compatibilityDate, log }: DevWorkerOptions,
): MiniflareOptions {
  return {
    // It would ask the internet, and tell other processes of this user.
    cf: false,
    enableDevRegistry: false,
    handleStructuredLogs: ({ message }: { message: string }) => log(message),
    workers: [
      {
        config: {
          name: 'mux-dev',
          compatibilityDate,
          manifest: { mainModule: 'edge.js', modules: { 'edge.js': { type: 'esm', contents: source } } },
          env: {
            REGISTRY: { type: 'kv', id: NAMESPACE },
            ...Object.fromEntries(
              Object.entries(bindings).map(([name, value]) => [name, { type: 'text' as const, value }]),
            ),
          },
        },
        // The entry of miniflare rewrites encodings and believes headers of anybody; this is workerd itself.
        dev: { unsafeDirectSockets: [{ host: listen.host, port: listen.port }] },
      },
    ],
  }
}
