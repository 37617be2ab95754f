/**
 * The network that a client's address stands for when failures are counted: an IPv4 address is itself, however it is
 * written; of an IPv6 address it is the /64, which is what one customer has. Anything else is returned as it is.
 */
export function clientNetwork(address: string): string {
  if (!address.includes(':')) return address
  const host = URL.parse(`http://[${address.replace(/%.*$/, '')}]/`)?.hostname
  if (host === undefined) return address
  const groups = expand(host.slice(1, -1))
  const isMapped = groups.slice(0, 6).join(':') === '0:0:0:0:0:ffff'
  return isMapped ? dotted(groups.slice(6)) : `${groups.slice(0, 4).join(':')}::/64`
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
