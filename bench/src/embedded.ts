import { spawnSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type Program, start } from './program.ts'
import { UPSTREAM } from './upstream.ts'

const MUX = join(import.meta.dirname, '../../packages/cli/bin/run.js')
const PASSWORD = 'correct horse battery staple'

/** The credentials of the one user that there is. */
export const AUTHORIZATION = `Basic ${Buffer.from(`bench:${PASSWORD}`).toString('base64')}`

export interface EmbeddedMux extends Program {
  url: string
  /** A record as the registry holds it. */
  readRecord: (kind: string, name: string) => Record<string, unknown>
}

/** `mux up` with the application as its only instance, reached through a Unix socket as in the examples. */
export async function startEmbedded(directory: string): Promise<EmbeddedMux> {
  await mkdir(directory)
  await writeFile(
    join(directory, 'mux.yaml'),
    `app: { command: ["${process.execPath}", "${UPSTREAM}", "{socket}"], boot: eager }
edge: { listen: "127.0.0.1:0" }
instances: { app1: {} }
`,
  )
  const added = spawnSync(
    process.execPath,
    [MUX, 'user', 'add', 'bench', '--instance', 'app1', '--password-stdin'],
    { cwd: directory, input: `${PASSWORD}\n`, encoding: 'utf8', timeout: 30_000 },
  )
  if (added.status !== 0) throw new Error(`mux user add failed:\n${added.stdout}${added.stderr}`)
  const program = await start(
    { command: [process.execPath, MUX, 'up'], directory, announces: 1 },
    (line) => /^mux serves (\S+)/.exec(line)?.[1],
  )
  return {
    pid: program.pid,
    stop: program.stop,
    url: program.announced,
    readRecord(kind, name) {
      const database = new DatabaseSync(join(directory, '.mux/registry.sqlite'), { readOnly: true })
      try {
        const row = database.prepare('SELECT value FROM records WHERE kind = ? AND name = ?').get(kind, name)
        return JSON.parse(String(row!['value'])) as Record<string, unknown>
      } finally {
        database.close()
      }
    },
  }
}
