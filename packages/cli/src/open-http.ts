import { lookup } from 'node:dns/promises'
import { BlockList, isIPv6 } from 'node:net'
import { CliError } from './errors.ts'

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

/**
 * Refuses to speak plain HTTP where others than this machine may hear it: passwords and cookies would pass in the clear.
 * @param host address or name that is listened on; one that is not known is left to the attempt to listen
 * @throws {CliError} `plain_http_refused`
 */
export async function refuseOpenHttp(host: string): Promise<void> {
  const found = await lookup(host, { all: true }).catch(() => [])
  for (const { address } of found) refuseOpenAddress(address, host)
}

/** As {@link refuseOpenHttp}, of an address; `host` is how it is told of. */
export function refuseOpenAddress(address: string, host = address): void {
  if (LOOPBACK.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')) return
  throw new CliError(
    'plain_http_refused',
    `On ${host} mux would speak plain HTTP, and passwords could be read on their way.`,
    {
      hint: 'Listen on 127.0.0.1 behind a TLS front, or give edge.tls (host.tls on a host) a certificate. Where only a TLS front reaches that address, say edge.behind_proxy: true in mux.yaml.',
    },
  )
}
