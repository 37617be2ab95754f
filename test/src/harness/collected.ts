import { once } from 'node:events'
import { WebSocket } from 'ws'
import { memoryOf } from './processes.ts'
import type { Running } from './running.ts'

/** What a supervisor has to be started with, so that {@link collected} can ask it. */
export const INSPECTED = { NODE_OPTIONS: '--inspect=127.0.0.1:0' }

const PATIENCE = 120_000

/**
 * Has a supervisor throw away what it doesn't use any more, and tells the bytes that are left: of its heap and what hangs
 * on it, and resident. Without that, what it holds says when it last tidied up rather than what it keeps.
 */
export async function collected(running: Running): Promise<{ heap: number; resident: number }> {
  const address = /ws:\/\/\S+/.exec(running.output())![0]
  const inspector = new WebSocket(address)
  await once(inspector, 'open', { signal: AbortSignal.timeout(PATIENCE) })
  const ask = async (id: number, method: string, params = {}) => {
    inspector.send(JSON.stringify({ id, method, params }))
    const [data] = await once(inspector, 'message', { signal: AbortSignal.timeout(PATIENCE) })
    return JSON.parse(String(data)).result
  }
  try {
    await ask(1, 'HeapProfiler.collectGarbage')
    await ask(2, 'HeapProfiler.collectGarbage')
    // Of what hangs on its heap, the inspector of the oldest Node tells nothing by itself.
    const expression = '(({ heapUsed, arrayBuffers }) => heapUsed + arrayBuffers)(process.memoryUsage())'
    const { result } = await ask(3, 'Runtime.evaluate', { expression })
    const { now } = await memoryOf(running.child.pid!)
    return { heap: result.value, resident: now }
  } finally {
    inspector.terminate()
  }
}
