// Where a comparison with a number or a time begins and ends, held against what JavaScript itself makes of the texts.
import fc from 'fast-check'
import t from 'tap'
import { FIRST_TIME, isWholeNumberText, LAST_TIME, orderOfWhole, roundingOf, timeOf, timesOf } from '../../src/lists/literals.js'
import { NUMBERS, TIME_TEXTS } from './support/random.js'

const double = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constantFrom(...NUMBERS), fc.integer({ min: -60, max: 60 }).map(exponent => 2 ** exponent))

t.test('the bounds of the decimals that round to a number are those of JSON.parse, included or excluded', async () => {
  fc.assert(fc.property(double, number => {
    const { low, high, closed } = roundingOf(number)
    for (const end of [low, high]) {
      // The largest numbers end where infinity begins.
      if ((Number(end) === number) !== closed) throw new Error(`${end} is read as ${Number(end)}, and ${number} has its ends ${closed ? 'included' : 'excluded'}`)
    }
    // A digit more, to the outside: another number. To the inside: the same.
    const longer = (decimal: string): string => `${decimal}${decimal.includes('.') ? '' : '.'}0000000001`
    const [outer, inner] = number < 0 || low.startsWith('-') ? [longer(low), longer(high)] : [longer(high), longer(low)]
    if (Number(outer) === number) throw new Error(`${outer} is read as ${number}`)
    if (low.startsWith('-') === high.startsWith('-') && Number(inner) !== number) throw new Error(`${inner} is not read as ${number}`)
  }), { numRuns: 2_000 })
})

t.test('a time is less than a text exactly when its ISO text is', async () => {
  const time = fc.oneof(fc.integer({ min: FIRST_TIME, max: LAST_TIME }), fc.constantFrom(...TIME_TEXTS.map(text => Date.parse(text)).filter(time => time >= FIRST_TIME && time <= LAST_TIME)))
  const text = fc.oneof(fc.constantFrom(...TIME_TEXTS), time.map(time => new Date(time).toISOString()), time.chain(time => fc.nat(24).map(length => new Date(time).toISOString().slice(0, length))))
  fc.assert(fc.property(time, text, (time, text) => {
    const written = new Date(time).toISOString()
    const expected = { lt: written < text, lte: written <= text, gt: written > text, gte: written >= text }
    for (const order of ['lt', 'lte', 'gt', 'gte'] as const) {
      const { from, before } = timesOf(order, text)
      if ((time >= from && time < before) !== expected[order]) throw new Error(`${written} ${order} ${text}`)
    }
    if ((timeOf(text) === time) !== (written === text)) throw new Error(`${written} equals ${text}`)
  }), { numRuns: 2_000 })
})

t.test('for whole numbers, a comparison with a fraction is a comparison with a whole number', async () => {
  fc.assert(fc.property(fc.maxSafeInteger(), fc.oneof(fc.double({ min: -(2 ** 52), max: 2 ** 52, noNaN: true }), fc.maxSafeInteger(), fc.constantFrom(1e300, -1e300)), (whole, number) => {
    const compare = (order: 'lt' | 'lte' | 'gt' | 'gte', number: number): boolean => ({ lt: whole < number, lte: whole <= number, gt: whole > number, gte: whole >= number })[order]
    for (const order of ['lt', 'lte', 'gt', 'gte'] as const) {
      const said = orderOfWhole(order, number)
      if ((typeof said === 'boolean' ? said : compare(said.order, said.number)) !== compare(order, number)) throw new Error(`${whole} ${order} ${number}`)
    }
  }), { numRuns: 2_000 })
})

t.test('the digits of a numeric key are those of String(), in 64 bits', async t => {
  for (const text of ['0', '7', '-7', '9223372036854775807', '-9223372036854775808']) t.ok(isWholeNumberText(text), text)
  for (const text of ['', '00', '07', '-0', '+7', ' 7', '7 ', '7.0', '1e3', '9223372036854775808', '-9223372036854775809', '٧', '7\n']) t.notOk(isWholeNumberText(text), JSON.stringify(text))
})
