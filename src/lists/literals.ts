// Converts the values of a condition for a database: which texts, numbers and times it can store, and the bounds of a comparison with
// one.

import { Unsayable } from './unsupported-condition.js'

/** An order, and its other side. */
export type Order = 'lt' | 'lte' | 'gt' | 'gte'

export function isOrder (operator: string): operator is Order {
  return operator === 'lt' || operator === 'lte' || operator === 'gt' || operator === 'gte'
}

/** The operator as SQL writes it. */
export const SYMBOL = { lt: '<', lte: '<=', gt: '>', gte: '>=' } as const satisfies Record<Order, string>

/** Whether the text is valid Unicode: JavaScript allows half of a surrogate pair, and databases do not. */
export function isWellFormed (text: string): boolean {
  return (text as string & { isWellFormed (): boolean }).isWellFormed()
}

/**
 * Refuses a text that databases order in another way than `check`: by code points, where JavaScript compares UTF-16 code units. The two
 * agree as long as one of the two texts has nothing from U+D800 on.
 */
export function requireOrderedAlike (text: string): void {
  // eslint-disable-next-line no-control-regex
  if (/[^\u0000-\ud7ff]/.test(text)) {
    throw new Unsayable(
      'the text has characters beyond U+D7FF, which databases order by code point and check by UTF-16 code unit; compare with a text of ' +
      'other characters'
    )
  }
}

/** Refuses a text for which a search by Unicode characters differs from one by code units. */
export function requireWellFormed (text: string): void {
  if (!isWellFormed(text)) throw new Unsayable('the text has half of a surrogate pair, which databases do not store')
}

/** Refuses numbers that a database may store exactly, and JavaScript only rounded. */
export function requireExact (number: number): void {
  const size = Math.abs(number)
  if (size > Number.MAX_SAFE_INTEGER && size <= 2 ** 64) {
    throw new Unsayable(
      'the number is beyond 2^53, where check rounds whole numbers and the database does not; compare with a smaller number'
    )
  }
}

/** Digits of a whole number as `String()` writes them, in the range of 64 bits. */
export function isWholeNumberText (text: string): boolean {
  if (!/^(?:0|-?[1-9][0-9]{0,18})$/.test(text)) return false
  // So many digits are less than 2^63.
  if (text.length <= 18) return true
  const number = BigInt(text)
  return number >= -(2n ** 63n) && number < 2n ** 63n
}

/** A UUID as PostgreSQL writes it. */
export function isUuidText (text: string): boolean {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(text)
}

/** A comparison with a whole number that is true for the same whole numbers; a boolean when it is true for all of them, or for none. */
export function orderOfWhole (order: Order, number: number): { order: Order, number: number } | boolean {
  if (Math.abs(number) > 2 ** 64) return (order === 'lt' || order === 'lte') === (number > 0)
  requireExact(number)
  if (Number.isInteger(number)) return { order, number }
  return order === 'lt' || order === 'lte' ? { order: 'lte', number: Math.floor(number) } : { order: 'gte', number: Math.ceil(number) }
}

/** The years whose times `toISOString` writes so that their order is that of their texts. Others count as NULL. */
export const FIRST_TIME = Date.parse('0000-01-01T00:00:00.000Z')
export const LAST_TIME = Date.parse('9999-12-31T23:59:59.999Z')

/** The time that `toISOString` writes so; undefined for any other text. */
export function timeOf (text: string): number | undefined {
  const time = Date.parse(text)
  return time >= FIRST_TIME && time <= LAST_TIME && new Date(time).toISOString() === text ? time : undefined
}

/** The first time whose text is not before the given text, or is after it; beyond the last time if there is none. */
export function firstTime (text: string, accepts: 'from' | 'after'): number {
  let low = FIRST_TIME
  let high = LAST_TIME + 1
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2)
    const written = new Date(middle).toISOString()
    if (accepts === 'from' ? written >= text : written > text) high = middle
    else low = middle + 1
  }
  return low
}

/** Times whose texts have this order to the given text: from the first, up to and without the second. */
export function timesOf (order: Order, text: string): { from: number, before: number } {
  switch (order) {
    case 'lt': return { from: FIRST_TIME, before: firstTime(text, 'from') }
    case 'lte': return { from: FIRST_TIME, before: firstTime(text, 'after') }
    case 'gt': return { from: firstTime(text, 'after'), before: LAST_TIME + 1 }
    case 'gte': return { from: firstTime(text, 'from'), before: LAST_TIME + 1 }
  }
}

/** Decimal numbers that are read as one double: the ends, and whether they belong to it. */
export interface Rounding {
  readonly low: string
  readonly high: string
  readonly closed: boolean
}

/** All decimal numbers that `JSON.parse` reads as this double, so that a database with exact decimals can tell. */
export function roundingOf (number: number): Rounding {
  const { sign, significand, exponent } = partsOf(number)
  if (significand === 0n) {
    const half = decimalOf(1n, -1075)
    return { low: `-${half}`, high: half, closed: true }
  }
  // Halves of the distances to the neighbours; below a power of two the distance is half as long.
  const isPower = significand === 2n ** 52n && exponent > -1074
  const low = isPower ? decimalOf(4n * significand - 1n, exponent - 2) : decimalOf(2n * significand - 1n, exponent - 1)
  const high = decimalOf(2n * significand + 1n, exponent - 1)
  // A tie goes to the even one.
  const closed = significand % 2n === 0n
  return sign < 0 ? { low: `-${high}`, high: `-${low}`, closed } : { low, high, closed }
}

function partsOf (number: number): { sign: number, significand: bigint, exponent: number } {
  const bits = new DataView(new ArrayBuffer(8))
  bits.setFloat64(0, number)
  const high = bits.getUint32(0)
  const fraction = (BigInt(high & 0xf_ffff) << 32n) | BigInt(bits.getUint32(4))
  const biased = (high >>> 20) & 0x7ff
  const sign = high >>> 31 === 1 ? -1 : 1
  return biased === 0
    ? { sign, significand: fraction, exponent: -1074 }
    : { sign, significand: fraction | 2n ** 52n, exponent: biased - 1075 }
}

/** `whole * 2 ** exponent`, in decimal digits. */
function decimalOf (whole: bigint, exponent: number): string {
  if (exponent >= 0) return String(whole << BigInt(exponent))
  // x / 2^n is x * 5^n / 10^n.
  const digits = String(whole * 5n ** BigInt(-exponent)).padStart(-exponent + 1, '0')
  const point = digits.length + exponent
  return `${digits.slice(0, point)}.${digits.slice(point).replace(/0+$/, '')}`.replace(/\.$/, '')
}
