import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { hasProc } from './proc.ts'
import { forEachOfTree, type ProcessIdentity } from './process-tree.ts'

/** Sockets listening on TCP, by inode, as `/proc/net/tcp` has them (proc_net_tcp(5)). */
interface Listener {
  inode: string
  port: number
  /** True when a connection to 127.0.0.1 may reach it. */
  loopback: boolean
}

/**
 * Who answers on a loopback port: `ours` when every socket that listens there belongs to the tree, `stranger` when
 * one does not. `unknown` where that can't be seen (no `/proc`, or processes of another user).
 */
export async function holderOf(
  port: number,
  identity: ProcessIdentity,
): Promise<'ours' | 'stranger' | 'nobody' | 'unknown'> {
  if (!hasProc) return 'unknown'
  const listening = listeners().filter((listener) => listener.port === port && listener.loopback)
  if (listening.length === 0) return 'nobody'
  const { inodes, complete } = await socketsOf(identity)
  if (listening.every(({ inode }) => inodes.has(inode))) return 'ours'
  return complete ? 'stranger' : 'unknown'
}

/** The TCP ports on which a tree listens, to tell an operator where an instance went instead. */
export async function portsOf(identity: ProcessIdentity): Promise<number[]> {
  if (!hasProc) return []
  const { inodes } = await socketsOf(identity)
  const ports = listeners().filter(({ inode }) => inodes.has(inode))
  return [...new Set(ports.map(({ port }) => port))].sort((a, b) => a - b)
}

async function socketsOf(identity: ProcessIdentity): Promise<{ inodes: Set<string>; complete: boolean }> {
  const inodes = new Set<string>()
  let complete = true
  await forEachOfTree(identity, true, (pid) => {
    try {
      for (const descriptor of readdirSync(`/proc/${pid}/fd`)) {
        const inode = socketInode(`/proc/${pid}/fd/${descriptor}`)
        if (inode) inodes.add(inode)
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EACCES') complete = false
    }
  })
  return { inodes, complete }
}

function socketInode(link: string): string | undefined {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(link))?.[1]
  } catch {
    return undefined
  }
}

const LISTENING = '0A'
/** 127.0.0.1, 0.0.0.0, :: and ::ffff:127.0.0.1 in either byte order. */
const REACHED_BY_LOOPBACK = /^(?:0100007F|7F000001|0+|0{16}(?:FFFF0000|0000FFFF)(?:0100007F|7F000001))$/

function listeners(): Listener[] {
  return ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((path) =>
    readTable(path).flatMap((line) => {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/)
      if (state !== LISTENING || local === undefined || inode === undefined) return []
      const [address, port] = local.split(':')
      return [{ inode, port: Number.parseInt(port!, 16), loopback: REACHED_BY_LOOPBACK.test(address!) }]
    }),
  )
}

function readTable(path: string): string[] {
  try {
    return readFileSync(path, 'latin1').split('\n').slice(1)
  } catch {
    return []
  }
}
