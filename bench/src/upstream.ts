import { join } from 'node:path'
import { type Program, start } from './program.ts'

export const UPSTREAM = join(import.meta.dirname, 'fixtures', 'upstream.mjs')

/**
 * The application alone, on a port of its own.
 * @param edgeKey in base64, when it stands in the place of a gateway, which proves itself to the edge
 */
export async function startUpstream(edgeKey?: string): Promise<Program & { origin: string }> {
  const program = await start(
    {
      command: [process.execPath, UPSTREAM],
      directory: import.meta.dirname,
      environment: { PORT: '0', ...(edgeKey === undefined ? {} : { EDGE_KEY: edgeKey }) },
      announces: 1,
    },
    (line) => (JSON.parse(line) as { port: number }).port,
  )
  return { ...program, origin: `http://127.0.0.1:${program.announced}` }
}
