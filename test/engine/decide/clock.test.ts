// `now` in conditions: the clock that the engine is given, against dates of JavaScript; nothing that a client sends is that clock.
import fc from 'fast-check'
import t from 'tap'
import { Engine } from '../../../src/engine/engine.js'
import { planNow } from '../../../src/engine/plan/planner.js'
import { compilePolicy } from '../../../src/engine/policy/compile-policy.js'
import { PolicyError } from '../../../src/engine/policy/problems.js'
import type { Policy } from '../../../src/engine/policy/policy.js'

const START = Date.parse('2027-01-31T18:00:00Z')

function policyOf (users: unknown, resources: unknown = { allOf: [] }): Policy {
  return {
    resources: { doc: { actions: { read: {} } } },
    roles: {},
    user_sets: { some: { conditions: users as Record<string, unknown> } },
    resource_sets: { docs: { resource: 'doc', conditions: resources as Record<string, unknown> } },
    set_rules: [{ user_set: 'some', permission: 'doc:read', resource_set: 'docs' }],
    tenants: { acme: {} },
    users: { ann: { attributes: { until: '2027-02-01T00:00:00+01:00', days: ['mon', 'sun'], from: '09:00', shift: '9:00' } } }
  }
}

const asked = (more: object = {}) => ({ user: { key: 'ann' }, action: 'read', resource: { type: 'doc', key: '1', tenant: 'acme' }, ...more })

function allows (condition: unknown, now: number, more: object = {}): boolean {
  return new Engine(policyOf(condition), { now: () => now }).decide(asked(more)).allow
}

t.test('an instant is compared as an instant, in any zone and form of RFC 3339', async t => {
  const at = Date.parse('2027-01-31T23:00:00.000Z')
  const same = ['2027-01-31T23:00:00Z', '2027-02-01T00:00:00+01:00', '2027-01-31T18:00:00.000-05:00', '2027-01-31t23:00:00z']
  for (const text of same) {
    t.ok(allows({ now: { 'less-than': text } }, at - 1), text)
    t.notOk(allows({ now: { 'less-than': text } }, at), text)
    t.ok(allows({ now: { 'less-than-equals': text } }, at), text)
    t.notOk(allows({ now: { 'less-than-equals': text } }, at + 1), text)
    t.ok(allows({ now: { 'greater-than-equals': text } }, at), text)
    t.notOk(allows({ now: { 'greater-than': text } }, at), text)
    t.ok(allows({ now: { between: [text, '2027-02-02T00:00:00Z'] } }, at), text)
    t.notOk(allows({ now: { between: [text, '2027-02-02T00:00:00Z'] } }, at - 1), text)
  }
})

t.test('an attribute is compared with the clock, and what is no instant is never reached and never passed', async t => {
  const end = Date.parse('2027-02-01T00:00:00+01:00')
  for (const condition of [{ 'user.until': { 'greater-than': { ref: 'now' } } }, { now: { 'less-than': { ref: 'user.until' } } }]) {
    t.ok(allows(condition, end - 1))
    t.notOk(allows(condition, end))
    const given = (until: unknown) => allows(condition, START, { user: { key: 'ann', attributes: { until } } })
    t.ok(given('2999-01-01T00:00:00Z'))
    for (const until of ['2999-01-01', '2999-01-01T00:00:00', 'z', '', 4e12, 32472144000, true, ['2999-01-01T00:00:00Z'], {}, '2999-02-30T00:00:00Z', '2999-01-01T00:00:00 Z']) {
      t.notOk(given(until), JSON.stringify(until))
    }
  }
})

t.test('date, time and weekday are those of the wall clock of the zone', t => {
  const zones = ['UTC', 'Europe/Rome', 'America/New_York', 'Asia/Kathmandu', 'Pacific/Apia', 'Australia/Lord_Howe']
  // Both changes of summer time in Rome, and the ends of a day and of a year.
  const edges = ['2027-03-28T01:00:00Z', '2027-10-31T01:00:00Z', '2026-12-31T23:00:00Z', '2027-01-01T00:00:00Z', '2028-02-29T12:00:00Z', '1969-12-31T23:59:59Z']
  const instant = fc.oneof(
    fc.constantFrom(...edges).chain(edge => fc.integer({ min: -90_000_000, max: 90_000_000 }).map(off => Date.parse(edge) + off)),
    fc.integer({ min: -5e11, max: 4e12 }))
  fc.assert(fc.property(fc.constantFrom(...zones), instant, (zone, now) => {
    const local = new Date(now).toLocaleString('sv-SE', { timeZone: zone })
    const day = new Date(now).toLocaleDateString('en-US', { timeZone: zone, weekday: 'short' }).toLowerCase()
    const name = (part: string) => zone === 'UTC' ? `now.${part}` : `now.${zone}.${part}`
    const [date = '', time = ''] = local.split(' ')
    const minute = time.slice(0, 5)
    const says = (condition: unknown) => allows(condition, now)
    if (!says({ [name('date')]: { equals: date } }) || !says({ [name('time')]: { in: [minute] } }) || !says({ [name('weekday')]: { equals: day } })) {
      throw new Error(`${zone} ${now}: not ${local} ${day}`)
    }
    if (says({ [name('time')]: { 'less-than': minute } }) || says({ [name('date')]: { 'greater-than': date } })) throw new Error('order')
  }), { numRuns: 300 })
  t.end()
})

t.test('office hours and nights', async t => {
  const office = { 'now.Europe/Rome.weekday': { in: ['mon', 'tue', 'wed', 'thu', 'fri'] }, 'now.Europe/Rome.time': { between: ['09:00', '17:59'] } }
  t.ok(allows(office, Date.parse('2027-02-01T08:00:00Z')), 'Monday, 09:00 in Rome')
  t.notOk(allows(office, Date.parse('2027-02-01T07:59:59.999Z')))
  t.ok(allows(office, Date.parse('2027-07-05T07:00:00Z')), 'an hour earlier in summer')
  t.ok(allows(office, Date.parse('2027-02-01T16:59:59.999Z')))
  t.notOk(allows(office, Date.parse('2027-02-01T17:00:00Z')))
  t.notOk(allows(office, Date.parse('2027-01-31T10:00:00Z')), 'Sunday')
  const night = { 'now.time': { anyOf: [{ 'greater-than-equals': '22:00' }, { 'less-than': '06:00' }] } }
  t.same(['21:59', '22:00', '00:00', '05:59', '06:00'].map(time => allows(night, Date.parse(`2027-02-01T${time}:00Z`))), [false, true, true, true, false])
})

t.test('parts of the clock are compared with attributes, which must be well formed', async t => {
  t.ok(allows({ 'user.days': { array_contains: { ref: 'now.weekday' } } }, START), 'a Sunday')
  t.notOk(allows({ 'user.days': { array_contains: { ref: 'now.weekday' } } }, START + 2 * 86_400_000))
  t.ok(allows({ 'user.from': { 'less-than-equals': { ref: 'now.time' } } }, START))
  t.notOk(allows({ 'user.from': { 'greater-than': { ref: 'now.time' } } }, START))
  t.notOk(allows({ 'user.shift': { 'greater-than': { ref: 'now.time' } } }, START), '9:00 is no time, though its text comes after 18:00')
  t.notOk(allows({ 'user.shift': { 'less-than': { ref: 'now.time' } } }, START))
})

t.test('nothing in a question is the clock', t => {
  const LATER = '2999-01-01T00:00:00Z'
  const name = fc.constantFrom('now', 'now.time', 'time', 'date', 'clock', '__proto__', 'constructor', 'timestamp')
  const value = fc.constantFrom<unknown>(LATER, Date.parse(LATER), { time: '23:59', date: '2999-01-01' }, [LATER], null, true)
  const bag = fc.dictionary(name, value).map(given => JSON.parse(JSON.stringify(given)) as Record<string, unknown>)
  fc.assert(fc.property(bag, bag, bag, (context, ofUser, ofResource) => {
    const more = {
      user: { key: 'ann', attributes: ofUser, now: LATER },
      resource: { type: 'doc', key: '1', tenant: 'acme', attributes: ofResource, now: LATER },
      context,
      now: LATER
    }
    for (const condition of [{ now: { 'greater-than': '2028-01-01T00:00:00Z' } }, { 'now.date': { 'greater-than': '2028-01-01' } }, { 'now.time': { 'greater-than': '18:00' } }]) {
      if (allows(condition, START, more) || !allows({ not: [condition] }, START, more)) throw new Error(JSON.stringify(more))
    }
  }), { examples: [[{ now: LATER }, { now: LATER }, { now: LATER }]] })
  t.end()
})

t.test('an attribute and the clock are compared alike in both directions, and what is no date, time or weekday is equal to none and different from none', async t => {
  const texts = fc.constantFrom('sun', 'mon', 'Sunday', 'SUN', '2027-01-31', '2027-1-31', '2027-02-30', '18:00', '18:0', '24:00', '', 'now', '2027-01-31T18:00:00Z')
  const value = fc.oneof(texts, fc.jsonValue({ maxDepth: 1 }), fc.string())
  const part = fc.constantFrom('now.date', 'now.time', 'now.weekday', 'now.Europe/Rome.time', 'now.Asia/Kathmandu.weekday')
  const forms = [/^\d{4}-\d\d-\d\d$/, /^\d\d:\d\d$/, /^(mon|tue|wed|thu|fri|sat|sun)$/]
  let different = 0
  fc.assert(fc.property(part, fc.constantFrom('equals', 'not-equals'), value, (name, operator, value) => {
    const more = { user: { key: 'ann', attributes: { x: value } } }
    const here = allows({ 'user.x': { [operator]: { ref: name } } }, START, more)
    const there = allows({ [name]: { [operator]: { ref: 'user.x' } } }, START, more)
    if (here !== there) throw new Error(`${here} and ${there}`)
    if (here && (typeof value !== 'string' || !forms.some(form => form.test(value)))) throw new Error('a value that is none was compared')
    if (here && operator === 'not-equals') different++
  }), { numRuns: 1_000, examples: [['now.weekday', 'not-equals', 'Sunday'], ['now.date', 'not-equals', null], ['now.time', 'not-equals', '9:00'], ['now.weekday', 'not-equals', 'mon']] })
  t.ok(different > 0)
  for (const x of ['Sunday', 5, null]) t.notOk(allows({ 'user.x': { 'not-equals': { ref: 'now.weekday' } } }, START, { user: { key: 'ann', attributes: { x } } }))
})

t.test('without a clock every comparison with it is false', async t => {
  const engine = (condition: unknown) => new Engine(policyOf(condition))
  for (const condition of [{ now: { 'greater-than': '1999-01-01T00:00:00Z' } }, { 'now.weekday': { 'not-equals': 'mon' } }, { 'user.until': { 'less-than': { ref: 'now' } } }]) {
    t.notOk(engine(condition).decide(asked()).allow)
  }
})

const literal = fc.integer({ min: -3, max: 12 }).map(minutes => new Date(START + minutes * 30_000).toISOString())
const comparison = fc.oneof(
  fc.record({ operator: fc.constantFrom('less-than', 'less-than-equals', 'greater-than', 'greater-than-equals'), literal })
    .map(({ operator, literal }) => ({ now: { [operator]: literal } })),
  fc.tuple(literal, literal).map(pair => ({ now: { between: pair.sort() } })),
  fc.integer({ min: 0, max: 5 }).map(minute => ({ 'now.time': { 'greater-than': `18:0${minute}` } })),
  fc.integer({ min: 0, max: 5 }).map(minute => ({ 'now.Asia/Kathmandu.time': { equals: `23:4${minute + 4}` } })),
  fc.constantFrom('greater-than', 'less-than-equals').map(operator => ({ 'user.until': { [operator]: { ref: 'now' } } })),
  fc.constant({ 'user.days': { array_contains: { ref: 'now.weekday' } } }),
  fc.constantFrom(true, false).map(is => ({ 'user.flag': { equals: is } }))
)
const condition = fc.letrec<{ one: Record<string, unknown> }>(tie => ({
  one: fc.oneof({ maxDepth: 3, withCrossShrink: true }, comparison as fc.Arbitrary<Record<string, unknown>>, fc.record({
    operator: fc.constantFrom('allOf', 'anyOf', 'not'), parts: fc.array(tie('one'), { maxLength: 3 })
  }).map(({ operator, parts }) => ({ [operator]: parts })))
})).one

t.test('a decision, an explanation and a plan say how long the time cannot change them', t => {
  let bounded = 0
  const until = fc.option(literal).map(text => text ?? 'never')
  fc.assert(fc.property(condition, condition, until, fc.integer({ min: -100_000, max: 400_000 }), fc.array(fc.double({ min: 0, max: 1, maxExcluded: true }), { minLength: 1, maxLength: 6 }),
    (users, resources, until, offset, moments) => {
      let now = START + offset
      const engine = new Engine(policyOf(users, resources), { now: () => now })
      const query = asked({ user: { key: 'ann', attributes: { until, flag: true } } })
      const planOf = () => planNow(engine.planning({ user: query.user, action: 'read', type: 'doc', tenant: 'acme' }))
      const { allow, validFor = 1e9 } = engine.decide(query)
      const explained = engine.explain(query)
      const { plan, validFor: planFor = 1e9 } = planOf()
      if (explained.allow !== allow || (explained.validFor ?? 1e9) !== validFor) throw new Error('explained otherwise')
      if ((plan.kind === 'all') !== allow || plan.kind === 'some') throw new Error('planned otherwise')
      if (!(validFor > 0 && planFor > 0)) throw new Error(`valid for ${validFor} and ${planFor} ms`)
      if (validFor < 1e9) bounded++
      const asOf = now
      for (const moment of moments) {
        now = asOf + Math.ceil(moment * validFor) - 1
        if (now >= asOf && engine.decide(query).allow !== allow) throw new Error(`another answer after ${now - asOf} of ${validFor} ms`)
        now = asOf + Math.ceil(moment * planFor) - 1
        if (now >= asOf && planOf().plan.kind !== plan.kind) throw new Error(`another plan after ${now - asOf} of ${planFor} ms`)
      }
    }), { numRuns: 500, examples: [[{ now: { 'less-than': new Date(START).toISOString() } }, { allOf: [] }, 'never', -1000, [0.99]]] })
  t.ok(bounded > 0)
  t.end()
})

t.test('a decision that does not look at the clock has no bound, and shares its verdict', async t => {
  const engine = new Engine(policyOf({ anyOf: [{ 'user.key': { equals: 'ann' } }, { now: { 'less-than': '2999-01-01T00:00:00Z' } }] }), { now: () => START })
  t.equal(engine.decide(asked()).validFor, undefined)
  t.equal(engine.decide(asked()), engine.decide(asked()))
})

t.test('a comparison that can never be true, or means two things, is refused with its place', async t => {
  const refused: Array<[Record<string, unknown>, string]> = [
    [{ now: { 'less-than': '2027-01-31' } }, "'now' cannot be compared with this value; write a time with its zone, such as \"2027-01-31T18:00:00Z\""],
    [{ now: { 'less-than': '2027-01-31T18:00:00' } }, 'write a time with its zone'],
    [{ now: { 'less-than': 1_800_000_000 } }, 'write a time with its zone'],
    [{ now: { equals: '2027-01-31T18:00:00Z' } }, "'equals' cannot compare 'now'; write one of less-than"],
    [{ now: { contains: 'T18' } }, "'contains' cannot compare 'now'"],
    [{ now: { object_match: { match: { x: { equals: 1 } } } } }, "'object_match' cannot compare 'now'"],
    [{ now: { between: ['2027-02-01T00:00:00Z', '2027-01-01T00:00:00Z'] } }, "no 'now' is between these values, because the first is after the last"],
    [{ 'now.time': { between: ['22:00', '06:00'] } }, "a night is an 'anyOf'"],
    [{ 'now.time': { 'less-than': '9:00' } }, 'write a time of the day from "00:00" to "23:59"'],
    [{ 'now.time': { 'less-than': '24:00' } }, 'write a time of the day'],
    [{ 'now.weekday': { in: ['mon', 'monday'] } }, 'write a list, each one of mon, tue'],
    [{ 'now.weekday': { 'less-than': 'tue' } }, "'less-than' cannot compare 'now.weekday'"],
    [{ 'now.date': { equals: '2027-02-30' } }, 'write a date such as'],
    [{ 'now.Europe/Rom.time': { 'less-than': '09:00' } }, "there is no time zone 'Europe/Rom'"],
    [{ 'now.+01:00.time': { 'less-than': '09:00' } }, "there is no time zone '+01:00'"],
    [{ 'now.tme': { 'less-than': '09:00' } }, "'now.tme' is not an attribute; write 'now', 'now.date'"],
    [{ 'now.time.hour': { 'less-than': '09:00' } }, "'now.time.hour' is not an attribute"],
    [{ now: { 'less-than': { ref: 'now' } } }, "'now' is not an attribute"],
    [{ 'user.until': { equals: { ref: 'now' } } }, "'equals' cannot compare with 'now'; write one of less-than"],
    [{ 'user.until': { between: { ref: 'now' } } }, "'between' cannot compare with 'now'"],
    [{ 'user.days': { array_contains: { ref: 'now.Rome.weekday' } } }, "there is no time zone 'Rome'"],
    [{ now: '2027-01-31T18:00:00Z' }, 'this is not a condition'],
    [{ now: {} }, 'the condition is empty']
  ]
  for (const [condition, message] of refused) {
    try {
      compilePolicy(policyOf(condition))
      t.fail(JSON.stringify(condition))
    } catch (error) {
      if (!(error instanceof PolicyError)) throw error
      t.equal(error.problems.length, 1, JSON.stringify(error.problems))
      const [{ path = [], message: said = '', hint = '' } = {}] = error.problems
      t.match(`${said}; ${hint}`, message)
      t.same(path.slice(0, 4), ['user_sets', 'some', 'conditions', Object.keys(condition)[0]])
    }
  }
  t.doesNotThrow(() => compilePolicy(policyOf({ 'user.now': { equals: 'x' }, 'context.now': { equals: 'y' } })), 'attributes of that name are as before')
})

t.test('a plan compares what is known with the clock, and is refused where a column would be', async t => {
  const plan = (resources: unknown) => planNow(
    new Engine(policyOf({ now: { 'less-than': '2027-02-01T00:00:00Z' } }, resources), { now: () => START })
      .planning({ user: { key: 'ann' }, action: 'read', type: 'doc', tenant: 'acme' }))
  t.match(plan({ 'resource.open': { equals: true } }), { plan: { kind: 'some' }, validFor: 6 * 3_600_000 })
  t.match(JSON.stringify(plan({ 'resource.day': { equals: { ref: 'now.weekday' } } }).plan), '"value":"sun"')
  t.equal(plan({ 'resource.day': { equals: { ref: 'now.weekday' } } }).validFor, 60_000)
  for (const resources of [
    { 'resource.until': { 'greater-than': { ref: 'now' } } }, { now: { 'less-than': { ref: 'resource.until' } } },
    { 'resource.from': { 'less-than': { ref: 'now.time' } } }, { 'now.time': { in: { ref: 'resource.times' } } },
    { 'resource.day': { 'not-equals': { ref: 'now.weekday' } } },
    { 'resource.all': { any_match: { match: { until: { 'greater-than': { ref: 'now' } } } } } },
    { 'user.until': { anyOf: [{ 'greater-than': { ref: 'now' } }, { equals: { ref: 'resource.until' } }] } }
  ]) {
    t.throws(() => plan(resources), { name: 'NoPlanError', message: /'now(\.time|\.weekday)?' is compared with a value of the row/ }, JSON.stringify(resources))
  }
})

t.test('a trace shows the clock, and the nearest miss names it without its value', async t => {
  const engine = new Engine(policyOf({ 'now.Europe/Rome.time': { between: ['09:00', '17:59'] } }), { now: () => START })
  const { reason, models } = engine.trace(asked())
  t.match(reason, "'now.Europe/Rome.time' (between)")
  t.notMatch(reason, '19:00')
  t.match(models?.abac?.rules[0]?.user_set.condition, { attribute: 'now.Europe/Rome.time', value: '19:00', matched: false })
})
