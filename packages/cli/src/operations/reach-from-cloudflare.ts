import { lookup } from 'node:dns/promises'
import { BlockList, isIP } from 'node:net'

/** What nobody outside the machine, or outside a network of the operator's, gets to (RFC 6890). */
const INNER = new BlockList()
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const)
  INNER.addSubnet(network, prefix, 'ipv4')
for (const [network, prefix] of [
  ['::', 127],
  ['fc00::', 7],
  ['fe80::', 10],
] as const)
  INNER.addSubnet(network, prefix, 'ipv6')

/** Names that no public name server has: of one part, and below RFC 6761, RFC 6762, RFC 8375 and what ICANN keeps for inner use. */
const INNER_NAME = /^(?:[^.]+|.+\.(?:localhost|local|internal|home\.arpa|lan|test|invalid))$/

/**
 * Why a Worker at Cloudflare would not reach a host that this machine may well reach; undefined: nothing is known against it.
 * @param resolve the addresses of a name as this machine knows them
 */
export async function unreachedFromCloudflare(
  origin: string,
  resolve: (name: string) => Promise<readonly string[]> = addressesOf,
): Promise<string | undefined> {
  const { hostname } = new URL(origin)
  const name = hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '')
  const otherwise = 'give it a name that all the world resolves, by a tunnel or a TLS front, or a VPC binding'
  // https://developers.cloudflare.com/workers/platform/known-issues/
  if (isIP(name) !== 0)
    return `${origin} is a bare address, and a Worker fetches from names alone: ${otherwise}`
  if (INNER_NAME.test(name)) return `${name} is a name of this machine or its network: ${otherwise}`
  const addresses = await resolve(name)
  if (addresses.length === 0 || !addresses.every(isInner)) return undefined
  return `${name} leads to ${addresses[0]} here, where Cloudflare does not get: ${otherwise}`
}

function isInner(address: string): boolean {
  return INNER.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}

/** None where no name server answers: then nothing is known against it. */
async function addressesOf(name: string): Promise<string[]> {
  const found = await lookup(name, { all: true }).catch(() => [])
  return found.map(({ address }) => address)
}
