import { execFile } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  rmdirSync,
  rmSync,
  type Stats,
  statSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { type Account, findAccount } from './account.ts'
import { isSocketPath } from './addresses.ts'
import type { InstanceDefinition } from './definition.ts'
import { handOver } from './hand-over.ts'
import type { Address } from './lease.ts'
import { findTool } from './program.ts'
import { repairDirectory } from './replace-directory.ts'
import { ownTemporary } from './sandbox.ts'
import { SettingsError } from './settings.ts'

/** Milliseconds that the system may take to say what a user may do. */
const CHECK_LIMIT = 10_000

/** So many characters of the random part of a marker tell two generations with one number apart. */
const CHANCE = 8
/** The name of the socket in a directory that is a generation's own. */
const SOCKET = 'sock'

type SocketAddress = Extract<Address, { socketPath: string }>

/** Where a generation lives on this machine, and as whom. */
export interface Dwelling {
  /** Null: the account of mux itself. */
  account: Account | null
  /** Absolute path of the instance's own directory. */
  data: string
  /** A directory that is its own, in which it makes its socket; null where it makes it in `.mux/run`. */
  socketDirectory: string | null
}

/**
 * Makes ready what a generation needs to live: its data, which belong to the account that it runs under, and a directory
 * for its socket where it may not touch `.mux/run`. Others of its instance must not run under another account.
 * @param marker the generation's own
 * @param signal gives it up half-way
 * @throws {SettingsError} naming the field that keeps it from living there
 */
export async function prepareDwelling(
  stateDirectory: string,
  definition: InstanceDefinition,
  marker: string,
  signal: AbortSignal,
): Promise<Dwelling> {
  const { name, user, group, directory, sandbox } = definition
  const { getuid, getgid } = process
  const isRoot = getuid?.() === 0
  if (user !== null && !isRoot) {
    throw new SettingsError('user: only a mux that runs as root may start something as another user.')
  }
  const account = user === null ? null : await findAccount(user, group)
  const data = join(stateDirectory, 'data', name)
  await repairDirectory(data)
  mkdirSync(data, { recursive: true, mode: 0o700 })
  if (account !== null) await handOver(data, account, signal)
  // What a user had before belongs to nobody else than mux, now that none is given.
  else if (isRoot && statSync(data).uid !== 0) await handOver(data, { uid: 0, gid: getgid!() }, signal)
  if (account === null && !sandbox) return { account, data, socketDirectory: null }

  mkdirSync(join(stateDirectory, 'sockets'), { recursive: true, mode: 0o700 })
  if (account !== null) {
    for (const passage of ['.', 'data', 'sockets']) letPass(join(stateDirectory, passage))
    if (!(await mayEnter(data, account))) {
      throw new SettingsError(
        `user: ${user} may not enter ${data}. Every directory above the project has to let it pass (chmod o+x).`,
      )
    }
    if (!(await mayEnter(directory, account))) {
      throw new SettingsError(`directory: ${directory} is none that user ${user} may enter.`)
    }
  }
  const socketDirectory = socketDirectoryOf(stateDirectory, marker)
  for (const own of [socketDirectory, ...(sandbox ? [ownTemporary(socketDirectory)] : [])]) {
    mkdirSync(own, { recursive: true, mode: 0o700 })
    if (account !== null) chownSync(own, account.uid, account.gid)
  }
  return { account, data, socketDirectory }
}

/**
 * Removes what {@link prepareDwelling} made for one generation alone; what it has left in there, in the background.
 * With the rights of the one who left it, since it may be made to lead elsewhere while it is removed.
 */
export function removeDwelling(stateDirectory: string, marker: string): void {
  const directory = socketDirectoryOf(stateDirectory, marker)
  const found = lstatSync(directory, { throwIfNoEntry: false })
  if (found === undefined) return
  const removeEmpty = () => {
    try {
      rmdirSync(directory)
      return true
    } catch {
      return false
    }
  }
  rmSync(join(directory, SOCKET), { force: true })
  if (removeEmpty()) return
  const { uid, gid } = found
  const owner = process.getuid?.() === 0 ? { uid, gid } : {}
  execFile(findTool('rm') ?? 'rm', ['-rf', '--', directory], { ...owner, cwd: '/', env: {} }, removeEmpty)
}

/**
 * Where a generation makes its socket, for mux to reach it at `address`.
 * @throws {SettingsError} when the path is too long for a socket
 */
export function ownSocket({ socketDirectory }: Dwelling, address: SocketAddress): SocketAddress {
  if (socketDirectory === null) return address
  const socketPath = join(socketDirectory, SOCKET)
  if (isSocketPath(socketPath)) return { socketPath }
  throw new SettingsError(
    `user: ${socketPath} is too long for a socket. Move the project to where its path is shorter.`,
  )
}

/**
 * Lets mux reach the socket that a generation has made in a directory of its own, by a second name that the generation
 * can't touch. Mux may enter everywhere, so that the generation could else lead it, by a link or by a second name of its
 * own, to the socket of another, or to the one by which mux itself takes orders. Nothing is done as long as it has made none.
 */
export function reachSocket(made: Address, address: Address): void {
  if (!('socketPath' in made) || !('socketPath' in address) || made.socketPath === address.socketPath) return
  const owner = lstatSync(dirname(made.socketPath)).uid
  const isOwn = (found: Stats | undefined) => found?.isSocket() && found.uid === owner
  const found = lstatSync(made.socketPath, { throwIfNoEntry: false })
  const reached = lstatSync(address.socketPath, { throwIfNoEntry: false })
  if (!isOwn(found) || found?.ino === reached?.ino) return
  rmSync(address.socketPath, { force: true })
  try {
    // Follows nothing: what has been exchanged meanwhile has the second name as well, and loses it.
    linkSync(made.socketPath, address.socketPath)
    if (!isOwn(lstatSync(address.socketPath))) rmSync(address.socketPath)
  } catch {
    // Gone again, or not to be had: then the next try of the probe finds nothing there, and says so.
  }
}

/** Another for each generation, while that of one with the same number may still be on its way out: by name, number and chance. */
function socketDirectoryOf(stateDirectory: string, marker: string): string {
  return join(stateDirectory, 'sockets', marker.slice(0, marker.lastIndexOf('.') + 1 + CHANCE))
}

/** Others may pass to what is theirs in there, and cannot see what else is. */
function letPass(directory: string): void {
  if ((statSync(directory).mode & 0o777) !== 0o711) chmodSync(directory, 0o711)
}

/** Asks the system, since a mode is not all that decides it. */
function mayEnter(directory: string, { uid, gid }: Account): Promise<boolean> {
  const options = { uid, gid, cwd: '/', env: {}, timeout: CHECK_LIMIT }
  return new Promise((resolve) => {
    execFile(findTool('test') ?? 'test', ['-x', directory], options, (error) => resolve(error === null))
  })
}
