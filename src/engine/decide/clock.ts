// `now` in conditions: the instant of the decision, and its date, time and weekday in a time zone. No client can set it.
import { parseInstant } from '../../kit/instant.js'

/** What of the clock a condition reads. */
export interface ClockAttribute {
  readonly kind: 'instant' | 'date' | 'time' | 'weekday'
  /** An IANA time zone. */
  readonly zone: string
}

/** A mistake in an attribute of the clock. */
export interface ClockMistake { readonly mistake: string, readonly hint: string }

const PARTS = ['date', 'time', 'weekday'] as const
const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']
const DATE = /^(\d{4})-(\d\d)-(\d\d)$/
const TIME = /^([01]\d|2[0-3]):([0-5]\d)$/
const MINUTE = 60_000
const DAY = 24 * 60

const FORMS = "write 'now', 'now.date', 'now.time' or 'now.weekday' (UTC), or 'now.<zone>.time' with a time zone such as Europe/Rome"

/** What a text must be to be compared with the clock. */
const WANTED: Readonly<Record<ClockAttribute['kind'], string>> = {
  instant: 'a time with its zone, such as "2027-01-31T18:00:00Z"',
  date: 'a date such as "2027-01-31"',
  time: 'a time of the day from "00:00" to "23:59"',
  weekday: `one of ${DAYS.join(', ')}`
}

/** Operators that compare the clock with a value, by what is read. */
const ORDERED = ['less-than', 'less-than-equals', 'greater-than', 'greater-than-equals', 'between']
const EQUAL = ['equals', 'not-equals', 'in']
const OPERATORS: Readonly<Record<ClockAttribute['kind'], readonly string[]>> = {
  instant: ORDERED, date: [...ORDERED, ...EQUAL], time: [...ORDERED, ...EQUAL], weekday: EQUAL
}

/** Operators that compare a value with the clock, as `{ ref: 'now' }`. */
const REFERRED: Readonly<Record<ClockAttribute['kind'], readonly string[]>> = {
  instant: ORDERED.slice(0, -1),
  date: [...ORDERED.slice(0, -1), 'equals', 'not-equals', 'array_contains'],
  time: [...ORDERED.slice(0, -1), 'equals', 'not-equals'],
  weekday: ['equals', 'not-equals', 'array_contains']
}

/** Whether a text names the clock, rightly or not. */
export function isOfClock (attribute: string): boolean {
  return attribute === 'now' || attribute.startsWith('now.')
}

/** The attribute of the clock that a text names. */
export function clockAttribute (text: string): ClockAttribute | ClockMistake {
  if (text === 'now') return { kind: 'instant', zone: 'UTC' }
  const [, ...names] = text.split('.')
  const part = names.pop()
  const kind = PARTS.find(name => name === part)
  const [zone = 'UTC', ...others] = names
  if (kind === undefined || others.length > 0) return { mistake: `'${text}' is not an attribute`, hint: FORMS }
  return isZone(zone) ? { kind, zone } : { mistake: `there is no time zone '${zone}'`, hint: 'write a name such as Europe/Rome or UTC' }
}

/**
 * Why an operator cannot compare the clock with this literal; undefined where it can.
 * @param isRef - the value is another attribute, and not known
 */
export function clockMistake (
  text: string, { kind }: ClockAttribute, operator: string, literal: unknown, isRef = false
): ClockMistake | undefined {
  if (!OPERATORS[kind].includes(operator)) {
    return { mistake: `'${operator}' cannot compare '${text}'`, hint: `write one of ${OPERATORS[kind].join(', ')}` }
  }
  if (isRef) return undefined
  const values = clockValues(kind, operator, literal)
  if (values === undefined) {
    const list = operator === 'between' ? 'a list of two, the first and the last, each ' : operator === 'in' ? 'a list, each ' : ''
    return { mistake: `'${text}' cannot be compared with this value`, hint: `write ${list}${WANTED[kind]}` }
  }
  const [first = 0, last = 0] = values
  if (operator === 'between' && first > last) {
    const hint = kind === 'time' ? "a night is an 'anyOf' of a 'greater-than-equals' and a 'less-than'" : 'write the first one first'
    return { mistake: `no '${text}' is between these values, because the first is after the last`, hint }
  }
  return undefined
}

/** Why an operator cannot compare a value with the clock, `{ ref: 'now' }`; undefined where it can. */
export function clockReferenceMistake (text: string, { kind }: ClockAttribute, operator: string): ClockMistake | undefined {
  if (REFERRED[kind].includes(operator)) return undefined
  return { mistake: `'${operator}' cannot compare with '${text}'`, hint: `write one of ${REFERRED[kind].join(', ')}` }
}

/** What a text stands for, as {@link readClock} reads it; undefined for any other value, and one that can be read in two ways. */
function clockValue (kind: ClockAttribute['kind'], value: unknown): number | undefined {
  if (typeof value !== 'string') return undefined
  switch (kind) {
    case 'instant': return parseInstant(value)
    case 'date': return DATE.test(value) ? daysOf(parseInstant(`${value}T00:00:00Z`)) : undefined
    case 'time': {
      const [, hour, minute] = TIME.exec(value) ?? []
      return hour === undefined ? undefined : Number(hour) * 60 + Number(minute)
    }
    case 'weekday': {
      const index = DAYS.indexOf(value)
      return index === -1 ? undefined : index + 1
    }
  }
}

/** What the clock reads: ms or days since 1970, minutes of the day, or the day of the week from Monday, 1. */
export function readClock ({ kind, zone }: ClockAttribute, now: number): number {
  if (kind === 'instant') return now
  const local = Math.floor((now + offsetOf(zone, now)) / MINUTE)
  const days = Math.floor(local / DAY)
  if (kind === 'date') return days
  // 1 January 1970 was a Thursday.
  return kind === 'time' ? local - days * DAY : (((days + 3) % 7) + 7) % 7 + 1
}

/** What the clock reads, as a text. */
export function clockText (attribute: ClockAttribute, now: number): string {
  const value = readClock(attribute, now)
  switch (attribute.kind) {
    case 'instant': return new Date(value).toISOString()
    case 'date': return new Date(value * DAY * MINUTE).toISOString().slice(0, 10)
    case 'time': return `${two(Math.floor(value / 60))}:${two(value % 60)}`
    case 'weekday': return DAYS[value - 1] as string
  }
}

/**
 * Compares as the operator of this name does.
 * @param others - both ends of `between`, the members of `in`, or one value
 */
export function compareClock (operator: string, value: number, others: readonly number[]): boolean {
  const [other = NaN, last = NaN] = others
  switch (operator) {
    case 'less-than': return value < other
    case 'less-than-equals': return value <= other
    case 'greater-than': return value > other
    case 'greater-than-equals': return value >= other
    case 'equals': return value === other
    case 'not-equals': return value !== other
    case 'between': return value >= other && value <= last
    case 'in': return others.includes(value)
    default: return false
  }
}

/** What the values of a list, or one value, stand for; undefined where one of them stands for nothing. */
export function clockValues (kind: ClockAttribute['kind'], operator: string, value: unknown): readonly number[] | undefined {
  const isList = operator === 'in' || operator === 'between'
  if (!isList) {
    const one = clockValue(kind, value)
    return one === undefined ? undefined : [one]
  }
  if (!Array.isArray(value) || (operator === 'between' && value.length !== 2)) return undefined
  const values = value.map(item => clockValue(kind, item))
  return values.includes(undefined) ? undefined : values as number[]
}

/**
 * Until when a comparison with a reading stays as it is, ms since 1970: for an instant, when that instant is reached; for parts of wall
 * clocks, the next minute.
 *
 * @param value - what the instant is compared with
 */
export function unchangedUntil ({ kind }: ClockAttribute, now: number, value: number | undefined): number {
  if (kind !== 'instant') return (Math.floor(now / MINUTE) + 1) * MINUTE
  if (value === undefined || value < now) return Infinity
  // At the instant itself, `less-than` changes; one ms later `less-than-equals` does.
  return value === now ? now + 1 : value
}

function daysOf (instant: number | undefined): number | undefined {
  return instant === undefined ? undefined : instant / (DAY * MINUTE)
}

function two (number: number): string {
  return String(number).padStart(2, '0')
}

interface Zone {
  readonly format: Intl.DateTimeFormat
  /** The offset of the latest minute that was asked for. */
  minute: number
  offset: number
}

const ZONES = new Map<string, Zone>()

/** Zones without an offset of their own in the name: what a version of Node knows of `+01:00` differs. */
function isZone (name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false
  try {
    zoneOf(name)
    return true
  } catch {
    return false
  }
}

function zoneOf (name: string): Zone {
  let zone = ZONES.get(name)
  if (zone === undefined) {
    const format = new Intl.DateTimeFormat('en-US', {
      timeZone: name,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric'
    })
    ZONES.set(name, zone = { format, minute: NaN, offset: 0 })
  }
  return zone
}

/** How far the wall clock of a zone is ahead of UTC, ms. Offsets change at whole minutes. */
function offsetOf (name: string, now: number): number {
  if (name === 'UTC') return 0
  const zone = zoneOf(name)
  const minute = Math.floor(now / MINUTE)
  if (zone.minute !== minute) {
    const at = minute * MINUTE
    const parts = new Map(zone.format.formatToParts(at).map(({ type, value }) => [type, Number(value)]))
    const part = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? 0
    zone.offset = Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second')) - at
    zone.minute = minute
  }
  return zone.offset
}
