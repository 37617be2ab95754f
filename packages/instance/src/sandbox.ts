import { execFile } from 'node:child_process'
import { join } from 'node:path'
import type { Account } from './account.ts'
import { findTool } from './program.ts'

/** What a program in a sandbox finds of its project. */
export interface Sandbox {
  /** Absolute path of the project's `.mux`, of which nothing is to be seen but what is the instance's own. */
  stateDirectory: string
  /** Where the program is started. */
  directory: string
  data: string
  socketDirectory: string
  /** Whether it gets a `/proc` of its own; see {@link mayHaveProc}. */
  ownProc: boolean
}

/** Where programs keep what they need for a while. */
const TEMPORARY = ['/tmp', '/var/tmp']
/** The sockets of a user's session: by its bus, systemd would start anything outside of the sandbox. */
const SESSIONS = '/run/user'

/** What stands for the temporary directories of the machine, so that it is on a disk and not in memory. */
export function ownTemporary(socketDirectory: string): string {
  return join(socketDirectory, 'tmp')
}

const NAMESPACES = ['--unshare-pid', '--unshare-ipc']
/** Milliseconds that an attempt may take. */
const ATTEMPT_LIMIT = 10_000
const attempts = new Map<number | undefined, Promise<boolean>>()

/**
 * Whether the system lets a sandbox of this account have a `/proc` that shows its own processes only. It does not where
 * parts of the `/proc` around it are covered, as in containers and in services with ProtectKernelTunables=: then that
 * one is seen, in which what is not public of a process outside is closed to those inside. Found out once.
 */
export function mayHaveProc(account: Account | null): Promise<boolean> {
  const known = attempts.get(account?.uid)
  if (known) return known
  const args = [...NAMESPACES, '--ro-bind', '/', '/', '--proc', '/proc', '--', 'true']
  const options = { ...account, cwd: '/', timeout: ATTEMPT_LIMIT }
  const attempt = new Promise<boolean>((resolve) => {
    execFile(findTool('bwrap') ?? 'bwrap', args, options, (error) => resolve(error === null))
  })
  attempts.set(account?.uid, attempt)
  return attempt
}

/**
 * The arguments of bubblewrap (bwrap(1)) before the program; each covers what those before it have put in its place. It
 * sets no_new_privs by itself. The network stays, since the program has to listen on it. --die-with-parent is left out,
 * since an instance outlives its supervisor.
 * @param isThere whether the machine has a directory: what is not there cannot be covered
 */
export function bubblewrapArguments(
  { stateDirectory, directory, data, socketDirectory, ownProc }: Sandbox,
  isThere: (directory: string) => boolean,
): string[] {
  const temporary = ownTemporary(socketDirectory)
  const covered = TEMPORARY.filter(isThere)
  const isCovered = covered.some((path) => directory.startsWith(`${path}/`))
  return [
    // No process outside can be signalled; those inside are seen from there as ever.
    NAMESPACES,
    ['--cap-drop', 'ALL'],
    ['--ro-bind', '/', '/'],
    ['--dev', '/dev'],
    ownProc ? ['--proc', '/proc'] : [],
    ...covered.map((path) => ['--bind', temporary, path]),
    isThere(SESSIONS) ? ['--tmpfs', SESSIONS] : [],
    isCovered ? ['--ro-bind', directory, directory] : [],
    ['--tmpfs', stateDirectory],
    ['--bind', data, data],
    ['--bind', socketDirectory, socketDirectory],
    ['--remount-ro', stateDirectory],
    ['--chdir', directory],
  ].flat()
}
