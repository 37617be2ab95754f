/**
 * The network that a client's address stands for when failures are counted: an IPv4 address is itself, however it is
 * written; of an IPv6 address it is the /64, which is what one customer has. Anything else is returned as it is.
 */
export function clientNetwork(address: string): string {
  if (!address.includes(':')) return address
  const text = address.toLowerCase().replace(/%.*$/, '')
  const mapped = /^(?:0{0,4}:){1,5}:?ffff:(\d{1,3}(?:\.\d{1,3}){3})$/.exec(text)
  if (mapped !== null) return mapped[1]!
  const [head = '', tail] = text.split('::')
  const front = head === '' ? [] : head.split(':')
  const back = tail === undefined || tail === '' ? [] : tail.split(':')
  const groups =
    tail === undefined
      ? front
      : [...front, ...Array<string>(Math.max(0, 8 - front.length - back.length)).fill('0'), ...back]
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`
}
