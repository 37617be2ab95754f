import { join } from 'node:path'

/** What a program in a sandbox finds of its project. */
export interface Sandbox {
  /** Absolute path of the project's `.mux`, of which nothing is to be seen but what is the instance's own. */
  stateDirectory: string
  /** Where the program is started. */
  directory: string
  data: string
  socketDirectory: string
}

/** Where programs keep what they need for a while. */
const TEMPORARY = ['/tmp', '/var/tmp']
/** The sockets of a user's session: by its bus, systemd would start anything outside of the sandbox. */
const SESSIONS = '/run/user'

/** What stands for the temporary directories of the machine, so that it is on a disk and not in memory. */
export function ownTemporary(socketDirectory: string): string {
  return join(socketDirectory, 'tmp')
}

/**
 * The arguments of bubblewrap (bwrap(1)) before the program; each covers what those before it have put in its place. It
 * sets no_new_privs by itself. The network stays, since the program has to listen on it. --die-with-parent is left out,
 * since an instance outlives its supervisor.
 * @param isThere whether the machine has a directory: what is not there cannot be covered
 */
export function bubblewrapArguments(
  { stateDirectory, directory, data, socketDirectory }: Sandbox,
  isThere: (directory: string) => boolean,
): string[] {
  const temporary = ownTemporary(socketDirectory)
  const covered = TEMPORARY.filter(isThere)
  const isCovered = covered.some((path) => directory.startsWith(`${path}/`))
  return [
    // Other processes can be neither seen nor signalled; those inside are seen from outside as ever.
    ['--unshare-pid', '--unshare-ipc'],
    ['--cap-drop', 'ALL'],
    ['--ro-bind', '/', '/'],
    ['--dev', '/dev', '--proc', '/proc'],
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
