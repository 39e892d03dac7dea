// IP ranges against a plain reading: addresses as numbers of 128 bits, written in every way that an address may be written.
import fc from 'fast-check'
import t from 'tap'
import { IpRanges, isIpRange } from '../../src/kit/ip-ranges.js'

/** An address: its family, and its number. An IPv4 address in IPv6 is of IPv4. */
interface Plain { readonly family: 4 | 6, readonly value: bigint }

const MAPPED = 0xffffn << 32n
const groupsOf = (value: bigint): string[] => Array.from({ length: 8 }, (_, index) => ((value >> BigInt(16 * (7 - index))) & 0xffffn).toString(16))
const octetsOf = (value: bigint): string => [24n, 16n, 8n, 0n].map(bits => String((value >> bits) & 0xffn)).join('.')

/** The spellings of an address: as IPv4, mapped, with and without zeros, in capitals, shortened. */
function spellings ({ family, value }: Plain): string[] {
  const wide = family === 4 ? MAPPED | value : value
  const groups = groupsOf(wide)
  const six = [groups.join(':'), groups.map(group => group.padStart(4, '0')).join(':').toUpperCase(), shortened(groups)]
  return family === 6 ? six : [octetsOf(value), `::ffff:${octetsOf(value)}`, `0:0:0:0:0:FFFF:${octetsOf(value)}`, ...six]
}

function shortened (groups: readonly string[]): string {
  const first = groups.findIndex((group, index) => group === '0' && groups[index + 1] === '0')
  if (first === -1) return groups.join(':')
  let end = first
  while (groups[end] === '0') end++
  return `${groups.slice(0, first).join(':')}::${groups.slice(end).join(':')}`
}

const isMapped = (value: bigint): boolean => value >> 32n === 0xffffn
const four = fc.bigInt({ min: 0n, max: (1n << 32n) - 1n }).map((value): Plain => ({ family: 4, value }))
const six = fc.oneof(
  fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }), fc.bigInt({ min: 0n, max: 0xffffffffffffn }), fc.bigInt({ min: 0n, max: 0xfffffn }).map(low => (0x20010db8n << 96n) | low)
).map((value): Plain => isMapped(value) ? { family: 4, value: value & 0xffffffffn } : { family: 6, value })
const address = fc.oneof(four, six)
const range = fc.tuple(address, fc.nat(), fc.nat()).map(([of, bits, spelling]) => {
  const width = of.family === 4 ? 32 : 128
  const prefix = bits % (width + 1)
  const all = spellings(of)
  const text = all[spelling % all.length] as string
  // A mapped spelling counts its bits from the start of the 128.
  return { of, prefix, text: `${text}/${of.family === 4 && text.includes(':') ? prefix + 96 : prefix}` }
})

/** The oracle: the leading bits are the same, and the family. */
function isIn (one: Plain, of: Plain, prefix: number): boolean {
  const shift = BigInt((of.family === 4 ? 32 : 128) - prefix)
  return one.family === of.family && one.value >> shift === of.value >> shift
}

t.test('an address is in a range when its leading bits are, however both are written', t => {
  const near = fc.tuple(fc.array(range, { minLength: 1, maxLength: 3 }), address, fc.nat(), fc.boolean()).map(([ranges, other, flip, isNear]) => {
    const { of } = ranges[0] as { of: Plain }
    // A neighbour, which differs in one bit.
    const value = of.value ^ (1n << BigInt(flip % (of.family === 4 ? 32 : 128)))
    const one = isNear && !(of.family === 6 && isMapped(value)) ? { family: of.family, value } : other
    return { ranges, one }
  })
  const run = fc.check(fc.property(near, ({ ranges, one }) => {
    if (!ranges.every(({ text }) => isIpRange(text))) throw new Error('a range is refused')
    const known = new IpRanges(ranges.map(({ text }) => text))
    const wanted = ranges.some(({ of, prefix }) => isIn(one, of, prefix))
    for (const text of spellings(one)) if (known.has(text) !== wanted) throw new Error(`${text} is ${wanted ? 'not ' : ''}in ${ranges.map(({ text }) => text).join()}`)
  }), { numRuns: 400, endOnFailure: true })
  t.notOk(run.failed, fc.defaultReportMessage(run) ?? '')
  t.end()
})

t.test('what is no address is in no range, not even in one of everything', t => {
  const all = new IpRanges(['0.0.0.0/0', '::/0'])
  t.equal(all.has('1.2.3.4') && all.has('::1'), true)
  const noise = fc.oneof(
    fc.string(), fc.anything(), fc.stringMatching(/^[0-9a-f.:%/ []{0,24}$/),
    fc.tuple(address, fc.nat(), fc.constantFrom(' ', '/8', '%1', ':80', '.', ':', '\0', '\n', 'x')).map(([one, at, more]) => `${spellings(one)[at % spellings(one).length]}${more}`)
  ).filter(value => typeof value !== 'string' || !/^(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F:]*:[0-9a-fA-F:.]*)$/.test(value))
  const run = fc.check(fc.property(noise, value => {
    if (all.has(value)) throw new Error(`${String(value)} is an address`)
  }), { numRuns: 400, endOnFailure: true })
  t.notOk(run.failed, fc.defaultReportMessage(run) ?? '')
  t.end()
})
