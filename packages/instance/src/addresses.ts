import { createHash } from 'node:crypto'
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Address } from './lease.ts'

/** Bytes of a socket's path, without the NUL that ends it: `sun_path` of unix(7), less on other systems. */
const LONGEST_SOCKET_PATH = process.platform === 'linux' ? 107 : 103
/** A temporary directory with a longer path than this leaves no room for the name of a socket. */
const LONGEST_TEMPORARY = 32
const FIRST_PORT = 20_000
const PORT_TRIES = 50

/** An address as people write it. */
export function addressText(address: Address): string {
  return 'port' in address ? `http://127.0.0.1:${address.port}` : `unix:${address.socketPath}`
}

/**
 * Where the socket `name` of a project listens: in its `.mux/run`, or, when that path is too long for a socket, in a
 * private directory with a short one, to which `.mux/run/short` points. Every process of the project is told the
 * same path. Makes the directories that are missing (0700).
 * @throws when what the pointer names is not ours alone
 */
export function socketPath(stateDirectory: string, name: string): string {
  const run = join(stateDirectory, 'run')
  mkdirSync(run, { recursive: true, mode: 0o700 })
  const path = join(run, name)
  if (fits(path)) return path
  const directory = shortDirectory(join(run, 'short'))
  const short = join(directory, name)
  // The name of an instance may have 63 characters; what stands for it need not.
  return fits(short) ? short : join(directory, createHash('sha256').update(name).digest('hex').slice(0, 24))
}

function fits(path: string): boolean {
  return Buffer.byteLength(path) <= LONGEST_SOCKET_PATH
}

function shortDirectory(pointer: string): string {
  const known = readPointer(pointer)
  if (known !== undefined && isPrivate(known)) return known
  const temporary = Buffer.byteLength(tmpdir()) > LONGEST_TEMPORARY ? '/tmp' : tmpdir()
  const made = mkdtempSync(join(temporary, 'mux-'))
  chmodSync(made, 0o700)
  if (known !== undefined) unlinkSync(pointer)
  try {
    symlinkSync(made, pointer)
    return made
  } catch (error) {
    // Another process of this project was quicker.
    const theirs = readPointer(pointer)
    if (theirs !== undefined && isPrivate(theirs)) return theirs
    throw error
  }
}

function readPointer(pointer: string): string | undefined {
  try {
    return readlinkSync(pointer)
  } catch {
    return undefined
  }
}

/** False when it is gone, which a cleaner of temporary files may see to. */
function isPrivate(directory: string): boolean {
  const found = lstatSync(directory, { throwIfNoEntry: false })
  if (found === undefined) return false
  if (found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o077) === 0) return true
  throw new Error(`The directory for sockets, ${directory}, is not this user's alone (0700). Remove it.`)
}

/** Hands out loopback ports, each to one generation at a time. */
export class Ports {
  readonly #taken = new Set<number>()
  readonly #top = firstEphemeralPort()

  /** A port on which nobody listened a moment ago; whoever gets it finds out whether that is still so. */
  async take(): Promise<number> {
    for (let attempt = 0; attempt < PORT_TRIES; attempt++) {
      // Below the ephemeral range, or our own connections to other instances would take ports away at random.
      const wanted =
        this.#top > FIRST_PORT ? FIRST_PORT + Math.floor(Math.random() * (this.#top - FIRST_PORT)) : 0
      const port = await bindable(wanted)
      if (port === undefined || this.#taken.has(port)) continue
      this.#taken.add(port)
      return port
    }
    throw new Error(`No free port was found on 127.0.0.1 in ${PORT_TRIES} tries.`)
  }

  release(port: number): void {
    this.#taken.delete(port)
  }
}

function firstEphemeralPort(): number {
  try {
    return Number(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s/)[0])
  } catch {
    return 0
  }
}

function bindable(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(undefined))
    server.listen(port, '127.0.0.1', () => {
      const bound = server.address()
      server.close(() => resolve(typeof bound === 'object' ? bound?.port : undefined))
    })
  })
}
