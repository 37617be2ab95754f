import { join } from 'node:path'
import { type Program, start } from './program.ts'

export const UPSTREAM = join(import.meta.dirname, 'fixtures', 'upstream.mjs')

/** The application alone, on a port of its own. */
export async function startUpstream(): Promise<Program & { origin: string }> {
  const program = await start(
    {
      command: [process.execPath, UPSTREAM],
      directory: import.meta.dirname,
      environment: { PORT: '0' },
      announces: 1,
    },
    (line) => (JSON.parse(line) as { port: number }).port,
  )
  return { ...program, origin: `http://127.0.0.1:${program.announced}` }
}
