import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { parseHostName } from '@mux/contract'
import { deriveHostKey } from '@mux/instance'
import type { Project } from './project.ts'
import { Running } from './running.ts'

const HOST = parseHostName('h1')!

/** A machine that serves an edge elsewhere: `mux up --host`, with the key by which that edge is known to it. */
export interface Host {
  name: typeof HOST
  running: Running
  url: string
  edgeKey: Buffer
  hostKey: Uint8Array
}

export async function startHost(project: Project): Promise<Host> {
  const edgeKey = randomBytes(32)
  const hostKey = deriveHostKey(edgeKey, HOST)
  await mkdir(project.path('.mux/keys'), { recursive: true, mode: 0o700 })
  await writeFile(
    project.path(`.mux/keys/host-${HOST}.key`),
    `${Buffer.from(hostKey).toString('base64')}\n`,
    { mode: 0o600 },
  )
  const gateway = `127.0.0.1:${await freePort()}`
  const url = `http://${gateway}`
  const running = await Running.up(project, ['--host', HOST, '--listen', gateway, '--origin', url])
  return { name: HOST, running, url, edgeKey, hostKey }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
