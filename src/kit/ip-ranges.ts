// IP addresses and ranges of them, IPv4 and IPv6, by Node's own parser and block list.
import { BlockList, isIPv4, isIPv6, SocketAddress } from 'node:net'

/** An address, in the family that it counts in. */
interface Address {
  readonly address: string
  readonly family: 'ipv4' | 'ipv6'
}

/** A range: an address and the number of leading bits that count. */
interface Range extends Address {
  readonly prefix: number
}

/** How `::ffff:10.0.0.1` begins, an IPv4 address in IPv6: it is the same host as `10.0.0.1`, whichever of the two a socket reports. */
const MAPPED = '::ffff:'
const MAPPED_BITS = 96

/** The address; undefined for any other text. A zone (`fe80::1%eth0`) is local to one machine, so it is none. */
function parseAddress (text: string): Address | undefined {
  if (isIPv4(text)) return { address: text, family: 'ipv4' }
  if (!isIPv6(text) || text.includes('%')) return undefined
  const { address } = new SocketAddress({ address: text, family: 'ipv6' })
  const isMapped = address.startsWith(MAPPED) && isIPv4(address.slice(MAPPED.length))
  return isMapped ? { address: address.slice(MAPPED.length), family: 'ipv4' } : { address, family: 'ipv6' }
}

/** The range `<address>/<bits>`, or that of a single address; undefined for any other text. */
function parseRange (text: string): Range | undefined {
  const slash = text.indexOf('/')
  const written = slash === -1 ? text : text.slice(0, slash)
  const parsed = parseAddress(written)
  if (parsed === undefined) return undefined
  const bits = parsed.family === 'ipv4' ? 32 : 128
  if (slash === -1) return { ...parsed, prefix: bits }
  const digits = text.slice(slash + 1)
  if (!/^(?:0|[1-9]\d{0,2})$/.test(digits)) return undefined
  const isMapped = parsed.family === 'ipv4' && !isIPv4(written)
  const prefix = Number(digits) - (isMapped ? MAPPED_BITS : 0)
  // A shorter prefix of a mapped address would be a range of more than IPv4.
  return prefix < 0 || prefix > bits ? undefined : { ...parsed, prefix }
}

/** Whether the text is a range or an address. */
export function isIpRange (text: unknown): text is string {
  return typeof text === 'string' && parseRange(text) !== undefined
}

/** Ranges to look addresses up in. */
export class IpRanges {
  /** Apart: a list of both would find IPv4 addresses in ranges such as `::/0`, on some versions of Node. */
  readonly #ranges = { ipv4: new BlockList(), ipv6: new BlockList() }
  /** The number of ranges. */
  size = 0

  /** @param texts - what is no range is left out */
  constructor (texts: readonly unknown[]) {
    for (const text of texts) {
      const range = typeof text === 'string' ? parseRange(text) : undefined
      if (range === undefined) continue
      this.#ranges[range.family].addSubnet(range.address, range.prefix, range.family)
      this.size++
    }
  }

  /** Whether an address is in one of the ranges; false for what is no address. */
  has (value: unknown): boolean {
    const parsed = typeof value === 'string' ? parseAddress(value) : undefined
    return parsed !== undefined && this.#ranges[parsed.family].check(parsed.address, parsed.family)
  }
}
