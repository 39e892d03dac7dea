// Roles that end, against a plain list with a clock: no decision, plan or list sees a role at or after its end.
import fc from 'fast-check'
import t from 'tap'
import { Engine } from '../../../src/engine/engine.js'
import { planNow } from '../../../src/engine/plan/planner.js'
import type { Policy } from '../../../src/engine/policy/policy.js'
import { parseInstant } from '../../../src/kit/instant.js'

const policy: Policy = {
  resources: { doc: { actions: { read: {} }, roles: { owner: { permissions: ['read'] } }, relations: { in: 'doc' } } },
  roles: { viewer: { permissions: ['doc:read'] } },
  user_sets: { guests: { conditions: { not: [{ 'user.roles': { array_contains: 'viewer' } }] } }, viewers: { conditions: { 'user.roles': { array_contains: 'viewer' } } } },
  set_rules: [{ user_set: 'viewers', permission: 'doc:read', resource_set: 'doc' }],
  tenants: { acme: {} },
  users: { ann: {}, ben: {} }
}
const START = Date.parse('2027-01-31T18:00:00Z')
const at = (ms: number, zone = 0): string => zone === 0
  ? new Date(START + ms).toISOString()
  : `${new Date(START + ms + zone * 3_600_000).toISOString().slice(0, -1)}${zone > 0 ? '+' : '-'}0${Math.abs(zone)}:00`

const where = fc.record({ user: fc.constantFrom('ann', 'ben'), on: fc.constantFrom('acme', 'default', 'doc:1') })
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ op: fc.constant('assign' as const), where, end: fc.option(fc.integer({ min: -5, max: 40 })), zone: fc.constantFrom(0, 2, -5) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('unassign' as const), where }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 15 }) }) }
)

t.test('every question sees exactly the roles that have not ended, after any writes and waits', t => {
  const run = fc.check(fc.property(fc.array(step, { maxLength: 25 }), steps => {
    let now = START
    const engine = new Engine(policy, { now: () => now })
    // The oracle: the end of each role that was assigned.
    const ends = new Map<string, number>()
    const id = (user: string, on: string) => `${user} ${on}`
    for (const step of steps) {
      if (step.op === 'wait') {
        now += step.ms
      } else {
        const { user, on } = step.where
        const fact = on === 'doc:1' ? { user, role: 'owner', resource_instance: on } : { user, role: 'viewer', tenant: on }
        if (step.op === 'unassign') {
          engine.facts.unassignRole(fact)
          ends.delete(id(user, on))
        } else {
          engine.facts.assignRole(step.end === null ? fact : { ...fact, expires_at: at(step.end, step.zone) })
          ends.set(id(user, on), step.end === null ? Infinity : START + step.end)
        }
      }
      for (const user of ['ann', 'ben']) {
        const has = (on: string): boolean => (ends.get(id(user, on)) ?? -Infinity) > now
        const allow = (tenant: string, key?: string): boolean =>
          engine.decide({ user: { key: user }, action: 'read', resource: { type: 'doc', tenant, ...(key === undefined ? {} : { key }) } }).allow
        const said = {
          acme: allow('acme'),
          default: allow('default'),
          'doc:1': allow('default', '1'),
          plan: planNow(engine.planning({ user: { key: user }, action: 'read', type: 'doc', tenant: 'acme' })).plan.kind,
          tenants: engine.userTenants(user).map(({ key }) => key).sort().join(),
          all: engine.allTenants({ user: { key: user }, action: 'read', resource: { type: 'doc' } }).map(({ tenant }) => tenant.key).sort().join(),
          permissions: Object.keys(engine.userPermissions(user)).sort().join(),
          listed: [...engine.facts.roleAssignments({ user })].length
        }
        const member = ['acme', 'default'].filter(has)
        const wanted = {
          acme: has('acme'),
          default: has('default'),
          'doc:1': has('default') || has('doc:1'),
          plan: has('acme') ? 'all' : 'none',
          tenants: member.join(),
          all: member.join(),
          permissions: [...member.map(tenant => `__tenant:${tenant}`), ...(has('doc:1') ? ['doc:1'] : [])].sort().join(),
          listed: member.length + (has('doc:1') ? 1 : 0)
        }
        if (JSON.stringify(said) !== JSON.stringify(wanted)) throw new Error(`${user} at ${now - START}: ${JSON.stringify(said)}, and not ${JSON.stringify(wanted)}`)
      }
      const authorized = Object.keys(engine.authorizedUsers({ action: 'read', resource: { type: 'doc', tenant: 'acme' } }).users).sort().join()
      const known = ['ann', 'ben'].filter(user => (ends.get(id(user, 'acme')) ?? -Infinity) > now).join()
      if (authorized !== known) throw new Error(`${authorized} are said to be authorized at ${now - START}, and ${known} are`)
    }
  }), { numRuns: 80, endOnFailure: true })
  t.notOk(run.failed, fc.defaultReportMessage(run) ?? '')
  t.end()
})

t.test('many roles end in the order of their ends, however they were written', t => {
  let now = START
  const users = Array.from({ length: 500 }, (_, index) => `u${index}`)
  const engine = new Engine({ ...policy, users: Object.fromEntries(users.map(user => [user, {}])) }, { now: () => now })
  const endOf = (index: number): number => (index * 7919) % 1_000
  for (const [index, user] of users.entries()) {
    engine.facts.assignRole({ user, role: 'viewer', tenant: 'acme', expires_at: at(5_000) })
    engine.facts.assignRole({ user, role: 'viewer', tenant: 'acme', expires_at: at(endOf(index)) })
  }
  for (const ms of [0, 1, 250, 500, 999, 1_000]) {
    now = START + ms
    t.equal([...engine.facts.roleAssignments({ role: 'viewer' })].length, users.filter((_, index) => endOf(index) > ms).length, `after ${ms} ms`)
  }
  t.equal(engine.nextEnd, Infinity)
  t.end()
})

t.test('without a clock, a role with an end does not count', t => {
  const engine = new Engine({ ...policy, role_assignments: [{ user: 'ann', role: 'viewer', expires_at: '2999-01-01T00:00:00Z' }, { user: 'ben', role: 'viewer' }] })
  t.same(['ann', 'ben'].map(user => engine.decide({ user: { key: user }, action: 'read', resource: { type: 'doc', tenant: 'default' } }).allow), [false, true])
  t.end()
})

t.test('a reload changes ends, and does not bring back what has ended', t => {
  let now = START
  const file = (end: number | undefined, more: Partial<Policy> = {}): Policy => ({
    ...policy, ...more, role_assignments: [{ user: 'ann', role: 'viewer', ...(end === undefined ? {} : { expires_at: at(end) }) }]
  })
  const engine = new Engine(file(10), { now: () => now })
  const allow = () => engine.decide({ user: { key: 'ann' }, action: 'read', resource: { type: 'doc', tenant: 'default' } }).allow
  t.equal(allow(), true)
  engine.load(file(20))
  now = START + 15
  t.equal(allow(), true, 'a later end')
  now = START + 20
  t.equal(allow(), false)
  engine.load(file(20, { tenants: { acme: {}, other: {} } }))
  t.equal(allow(), false, 'another line has changed')
  engine.load(file(undefined))
  t.equal(allow(), true, 'without an end it is for good')
  engine.load(file(5))
  t.equal(allow(), false, 'an end in the past')
  t.end()
})

t.test('an end is a time with a zone, of a day that exists', t => {
  t.equal(parseInstant('2027-01-31T18:00:00Z'), START)
  t.equal(parseInstant('2027-01-31T20:00:00.000+02:00'), START)
  t.equal(parseInstant('2028-02-29T00:00:00Z'), Date.UTC(2028, 1, 29))
  const wrong = ['2027-01-31', '2027-01-31T18:00:00', '2027-02-29T00:00:00Z', '2027-13-01T00:00:00Z', '2027-01-31T24:00:00Z', '2027-01-31T18:00Z', 'tomorrow', '', ' 2027-01-31T18:00:00Z']
  for (const end of wrong) {
    t.equal(parseInstant(end), undefined, end)
    t.throws(() => new Engine({ ...policy, role_assignments: [{ user: 'ann', role: 'viewer', expires_at: end }] }), /is not a time|the text is empty/)
    t.throws(() => new Engine(policy).facts.assignRole({ user: 'ann', role: 'viewer', expires_at: end }), { code: 'invalid' })
  }
  t.end()
})
