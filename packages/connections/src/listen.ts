import { once } from 'node:events'
import type { Server } from 'node:http'

/** An address, port 0 for any that is free; or the listening TCP socket that this process was started with, by its descriptor. */
export type ListenPlace = { host: string; port: number } | { fd: number }

/**
 * Looks at the address of a socket that was handed over, which nobody knew before.
 * @throws what the socket is not to be used for
 */
export type Admit = (address: string) => void

/** How many connections may wait to be accepted; the system may allow fewer (net.core.somaxconn). */
const BACKLOG = 4096

/**
 * Has a server take connections, none of them before `admit` has agreed.
 * @throws what `admit` does; the error of the system, such as EADDRINUSE; EINVAL for a descriptor that is no such socket
 */
export async function listenOn(
  server: Server,
  place: ListenPlace,
  admit: Admit = () => {},
): Promise<{ address: string; port: number }> {
  server.listen({ ...place, backlog: BACKLOG })
  // A descriptor is listened on at once, and who waits there is accepted in the next turn of the event loop at the earliest.
  if ('fd' in place && server.listening) {
    try {
      // Of a Unix socket that is handed over, Node knows no address at all.
      admit(requireTcp(server.address()).address)
    } catch (error) {
      server.close()
      throw error
    }
  }
  await once(server, 'listening')
  return requireTcp(server.address())
}

/** Clients are told apart by their address, and those of a Unix socket have none. */
function requireTcp(found: ReturnType<Server['address']>): { address: string; port: number } {
  if (found !== null && typeof found !== 'string') return found
  throw Object.assign(new Error('the socket is no TCP socket'), { code: 'EINVAL' })
}
