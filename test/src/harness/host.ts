import { randomBytes, randomInt } from 'node:crypto'
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

/** Below those that the kernel gives to whoever wants any: of these, one that is free now may be taken the moment after. */
const PORTS = [10_000, 32_000] as const

/** A port at which nobody listens, for what has to know its port before it can listen there. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(...PORTS)
    const server = createServer().listen(port, '127.0.0.1')
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    )
    if (!isFree) continue
    server.close()
    await once(server, 'close')
    return port
  }
}
