/**
 * The network that a client's address stands for when failures are counted: an IPv4 address is itself, however it is
 * written; of an IPv6 address it is the /64, which is what one customer has. Anything else is returned as it is.
 */
export function clientNetwork(address: string): string {
  const groups = groupsOf(address)
  if (groups === undefined) return address
  return isMapped(groups) ? dotted(groups.slice(6)) : `${groups.slice(0, 4).join(':')}::/64`
}

/** An IPv4 address that is written as an IPv6 one, in any spelling, as itself; anything else is returned as it is. */
export function withoutMapping(address: string): string {
  const groups = groupsOf(address)
  return groups !== undefined && isMapped(groups) ? dotted(groups.slice(6)) : address
}

/** Undefined for what is no IPv6 address. */
function groupsOf(address: string): string[] | undefined {
  if (!address.includes(':')) return undefined
  const host = URL.parse(`http://[${address.replace(/%.*$/, '')}]/`)?.hostname
  return host === undefined ? undefined : expand(host.slice(1, -1))
}

/** RFC 4291 section 2.5.5.2. */
function isMapped(groups: string[]): boolean {
  return groups.slice(0, 6).join(':') === '0:0:0:0:0:ffff'
}

/** The eight groups of an address in the form that URL gives it (RFC 5952). */
function expand(address: string): string[] {
  const [front, back] = address.split('::').map((part) => (part === '' ? [] : part.split(':')))
  if (front === undefined || back === undefined) return front ?? []
  return [...front, ...Array<string>(8 - front.length - back.length).fill('0'), ...back]
}

function dotted(groups: string[]): string {
  const numbers = groups.map((group) => Number.parseInt(group, 16))
  return numbers.flatMap((number) => [number >> 8, number & 0xff]).join('.')
}
