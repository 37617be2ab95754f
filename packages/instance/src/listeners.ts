import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import type { Address } from './lease.ts'
import { hasProc } from './proc.ts'
import { forEachOfTree, type ProcessIdentity } from './process-tree.ts'

/** Sockets listening on TCP, by inode, as `/proc/net/tcp` has them (proc_net_tcp(5)). */
interface Listener {
  inode: string
  port: number
  /** True when a connection to 127.0.0.1 may reach it. */
  loopback: boolean
}

export type Holder = 'ours' | 'stranger' | 'nobody' | 'unknown'

/**
 * Who answers at an address: `ours` when every socket that listens there belongs to the tree, `stranger` when
 * one does not. `unknown` where that can't be seen (no `/proc`, or processes of another user).
 */
export async function holderOf(address: Address, identity: ProcessIdentity): Promise<Holder> {
  return (await holdOf(address, identity)).holder
}

/**
 * As {@link holderOf}, with the descriptors by which the tree holds those sockets. Takes milliseconds on a machine with
 * many connections, whereas {@link isHeld} takes a few microseconds.
 */
export async function holdOf(
  address: Address,
  identity: ProcessIdentity,
): Promise<{ holder: Holder; descriptors: Descriptor[] }> {
  if (!hasProc) return { holder: 'unknown', descriptors: [] }
  const listening = 'port' in address ? inodesOn(address.port) : inodesAt(address.socketPath)
  if (listening.length === 0) return { holder: 'nobody', descriptors: [] }
  const { sockets, complete } = await socketsOf(identity)
  const descriptors = listening.flatMap((inode) => {
    const path = sockets.get(inode)
    return path === undefined ? [] : [{ inode, path }]
  })
  const isOurs = descriptors.length === listening.length
  return { holder: isOurs ? 'ours' : complete ? 'stranger' : 'unknown', descriptors }
}

/** An open file of a process that is a socket. */
export interface Descriptor {
  path: string
  inode: string
}

/** Whether it is still open: then the socket is, and nobody else can have its port. */
export function isHeld({ path, inode }: Descriptor): boolean {
  return socketInode(path) === inode
}

/** The sockets that listen on a loopback port, by inode. */
export function inodesOn(port: number): string[] {
  const there = listeners(`:${port.toString(16).toUpperCase().padStart(4, '0')} `)
  return there.filter((listener) => listener.port === port && listener.loopback).map(({ inode }) => inode)
}

/** The sockets that listen at a path, by inode: those that were made under this very name, also where another took their place. */
function inodesAt(path: string): string[] {
  return readTable('/proc/net/unix', 'utf8').flatMap((line) => {
    if (!line.endsWith(` ${path}`)) return []
    const [, , , flags, , , inode] = line.split(/\s+/)
    return (Number.parseInt(flags!, 16) & ACCEPTS) === 0 ? [] : [inode!]
  })
}

/** The TCP ports on which a tree listens, to tell an operator where an instance went instead. */
export async function portsOf(identity: ProcessIdentity): Promise<number[]> {
  if (!hasProc) return []
  const { sockets } = await socketsOf(identity)
  const ports = listeners().filter(({ inode }) => sockets.has(inode))
  return [...new Set(ports.map(({ port }) => port))].sort((a, b) => a - b)
}

async function socketsOf(
  identity: ProcessIdentity,
): Promise<{ sockets: Map<string, string>; complete: boolean }> {
  const sockets = new Map<string, string>()
  let complete = true
  await forEachOfTree(identity, true, (pid) => {
    try {
      for (const descriptor of readdirSync(`/proc/${pid}/fd`)) {
        const path = `/proc/${pid}/fd/${descriptor}`
        const inode = socketInode(path)
        if (inode) sockets.set(inode, path)
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EACCES') complete = false
      else unlessGone(error)
    }
  })
  return { sockets, complete }
}

function socketInode(link: string): string | undefined {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(link))?.[1]
  } catch {
    return undefined
  }
}

const LISTENING = '0A'
/** `__SO_ACCEPTCON`, among the flags of a Unix socket (proc_net_unix(5)). */
const ACCEPTS = 0x10000
/** 127.0.0.1, 0.0.0.0, :: and ::ffff:127.0.0.1 in either byte order. */
const REACHED_BY_LOOPBACK = /^(?:0100007F|7F000001|0+|0{16}(?:FFFF0000|0000FFFF)(?:0100007F|7F000001))$/

/** @param mark what has to be in a line for it to be read: taking all of them apart takes far longer */
function listeners(mark = ''): Listener[] {
  return ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((path) =>
    readTable(path).flatMap((line) => {
      if (!line.includes(mark)) return []
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/)
      if (state !== LISTENING || local === undefined || inode === undefined) return []
      const [address, port] = local.split(':')
      return [{ inode, port: Number.parseInt(port!, 16), loopback: REACHED_BY_LOOPBACK.test(address!) }]
    }),
  )
}

function readTable(path: string, encoding: 'latin1' | 'utf8' = 'latin1'): string[] {
  try {
    return readFileSync(path, encoding).split('\n').slice(1)
  } catch (error) {
    unlessGone(error)
    return []
  }
}

/** @throws what says nothing of what was looked at, such as that no descriptor is left to look with */
function unlessGone(error: unknown): void {
  const { code = '' } = error as NodeJS.ErrnoException
  if (!['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(code)) throw error
}
