import { CliError } from './errors.ts'

/** The descriptor of the first socket that is handed over (sd_listen_fds(3)). */
const FIRST = 3
/** What ours is called where there are several. */
export const SOCKET_NAME = 'edge'

/**
 * The listening socket that this process was started with, as systemd hands it over (sd_listen_fds(3)): whoever started
 * it holds the socket too, so connections wait in it while no mux runs.
 * @param pid of this process; sockets that were meant for another one, such as its parent, are left alone
 * @returns its descriptor; undefined when there is none
 * @throws {CliError} `socket_unusable` when it cannot be told which one it is
 */
export function inheritedSocket(environment: Readonly<NodeJS.ProcessEnv>, pid: number): number | undefined {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES } = environment
  if (LISTEN_PID !== String(pid)) return undefined
  if (LISTEN_FDS === undefined || !/^\d{1,4}$/.test(LISTEN_FDS)) {
    throw unusable(`LISTEN_FDS is ${JSON.stringify(LISTEN_FDS ?? '')}, which is no number of sockets.`)
  }
  const count = Number(LISTEN_FDS)
  if (count <= 1) return count === 1 ? FIRST : undefined
  const named = (LISTEN_FDNAMES ?? '')
    .split(':')
    .flatMap((name, i) => (name === SOCKET_NAME ? [FIRST + i] : []))
  if (named.length === 1 && named[0]! < FIRST + count) return named[0]
  throw unusable(`It was started with ${count} sockets, and not exactly one is named ${SOCKET_NAME}.`)
}

function unusable(message: string): CliError {
  return new CliError('socket_unusable', message, {
    hint: `Give mux one socket, or name one with FileDescriptorName=${SOCKET_NAME}: mux service show`,
  })
}
