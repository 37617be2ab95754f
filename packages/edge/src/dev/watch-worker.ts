import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type BuildResult, context, formatMessages } from 'esbuild'
import { BUNDLING } from './bundling.ts'

export interface BuiltWorker {
  /** Undefined: it could not be built. */
  source: string | undefined
  /** What is wrong, as lines to read. */
  problems: string[]
}

export interface WorkerWatch {
  /** The Worker as it was at first. */
  first: string
  close(): Promise<void>
}

/** In a clone there is the source; elsewhere the bundle, which nothing changes. */
const SOURCE = fileURLToPath(new URL('../../src/worker.ts', import.meta.url))
const BUNDLE = fileURLToPath(new URL('../worker/edge.js', import.meta.url))

/**
 * Builds the Worker, and again whenever a file changes that is part of it.
 * @param built told of each later build that comes to something else; the next one is not told of before it is done with this
 * @throws {Error} with what is wrong, when it cannot be built at first
 */
export async function watchWorker(
  built: (worker: BuiltWorker) => Promise<void>,
  entry: string = existsSync(SOURCE) ? SOURCE : BUNDLE,
): Promise<WorkerWatch> {
  let last: string | undefined
  let queue = Promise.resolve()
  const tell = async (result: BuildResult) => {
    const worker = await workerOf(result)
    const text = JSON.stringify(worker)
    if (text === last) return
    last = text
    await built(worker)
  }
  const builder = await context({
    ...BUNDLING,
    mainFields: [...BUNDLING.mainFields],
    conditions: [...BUNDLING.conditions],
    external: [...BUNDLING.external],
    logLevel: 'silent',
    entryPoints: [entry],
    write: false,
    plugins: [
      {
        name: 'tell',
        setup: (build) =>
          build.onEnd((result) => {
            if (last !== undefined) queue = queue.then(() => tell(result)).catch(() => undefined)
          }),
      },
    ],
  })
  try {
    const first = await workerOf(await builder.rebuild().catch((failure: BuildResult) => failure))
    if (first.source === undefined) throw new Error(first.problems.join('\n'))
    last = JSON.stringify(first)
    await builder.watch()
    return { first: first.source, close: () => builder.dispose() }
  } catch (error) {
    await builder.dispose()
    throw error
  }
}

async function workerOf({ errors, outputFiles }: BuildResult): Promise<BuiltWorker> {
  if (errors.length === 0) return { source: outputFiles?.[0]?.text, problems: [] }
  const problems = await formatMessages(errors, { kind: 'error', color: false })
  return { source: undefined, problems: problems.map((text) => text.trimEnd()) }
}
