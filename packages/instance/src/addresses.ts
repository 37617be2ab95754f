import { createHash } from 'node:crypto'
import { lstatSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Address } from './lease.ts'

/** Bytes of a socket's path, without the NUL that ends it: `sun_path` of unix(7), less on other systems. */
const LONGEST_SOCKET_PATH = process.platform === 'linux' ? 107 : 103
/** A temporary directory with a longer path than this leaves no room for the name of a socket. */
const LONGEST_TEMPORARY = 32
/** In such a directory, a link back to the `run` that it stands in for. */
const OWNER = 'run'
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
  if (isSocketPath(path)) return path
  const directory = shortDirectory(run)
  const short = join(directory, name)
  // The name of an instance may have 63 characters; what stands for it need not.
  return isSocketPath(short)
    ? short
    : join(directory, createHash('sha256').update(name).digest('hex').slice(0, 24))
}

/** Whether a path is short enough for a socket. */
export function isSocketPath(path: string): boolean {
  return Buffer.byteLength(path) <= LONGEST_SOCKET_PATH
}

function shortDirectory(run: string): string {
  const pointer = join(run, 'short')
  const known = readLink(pointer)
  if (known !== undefined && isOurs(known, run)) return known
  const temporary = Buffer.byteLength(tmpdir()) > LONGEST_TEMPORARY ? '/tmp' : tmpdir()
  const made = mkdtempSync(join(temporary, 'mux-'))
  symlinkSync(run, join(made, OWNER))
  if (known !== undefined) rmSync(pointer, { force: true })
  try {
    symlinkSync(made, pointer)
    return made
  } catch (error) {
    rmSync(made, { recursive: true })
    // Another process of this project was quicker.
    const theirs = readLink(pointer)
    if (theirs !== undefined && isOurs(theirs, run)) return theirs
    throw error
  }
}

function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}

/** False when a cleaner of temporary files took it away, and for the copy of a project, whose pointer was copied too. */
function isOurs(directory: string, run: string): boolean {
  const found = lstatSync(directory, { throwIfNoEntry: false })
  if (found === undefined) return false
  if (!found.isDirectory() || found.uid !== process.getuid?.() || (found.mode & 0o077) !== 0) {
    throw new Error(`The directory for sockets, ${directory}, is not this user's alone (0700). Remove it.`)
  }
  return readLink(join(directory, OWNER)) === run
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

  /** Keeps for a generation the port that it has had from a supervisor before this one. */
  reserve(port: number): void {
    this.#taken.add(port)
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

/** The port, or a free one for 0; undefined when somebody else has it. */
function bindable(port: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined)
      else reject(error)
    })
    server.listen(port, '127.0.0.1', () => {
      const bound = server.address()
      server.close(() => resolve(typeof bound === 'object' ? bound?.port : undefined))
    })
  })
}
