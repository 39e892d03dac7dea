// Plans of the real Cerbos: the rows in a plan are those for which it says yes when each is checked, and what cannot be said is refused.
import fc from 'fast-check'
import t from 'tap'
import permit, { type Plan } from '../../src/index.js'
import { byHeader, fastifyFor } from '../support/app.js'
import { attributesFor, isIn, type Row } from '../engine/plan/evaluate.js'
import { binary, startCerbos } from './server.js'
import { assertCounted } from '../support/counted.js'

const rule = (action: string, expr: string, effect = 'EFFECT_ALLOW') => `    - { actions: [${action}], effect: ${effect}, roles: ['*'], condition: { match: { expr: '${expr}' } } }`

/** What plans can say: each as an action of its own. */
const SAYABLE: Readonly<Record<string, readonly string[]>> = {
  owner: [rule('owner', 'R.attr.owner == P.id')],
  turned: [rule('turned', 'P.id == R.attr.owner')],
  level: [rule('level', 'R.attr.level < P.attr.level')],
  atleast: [rule('atleast', '2 <= R.attr.level')],
  among: [rule('among', 'R.attr.owner in P.attr.friends')],
  readers: [rule('readers', 'P.id in R.attr.readers')],
  both: [rule('both', 'R.attr.owner == P.id && R.attr.level >= 1 || R.attr.tenant == "other"')],
  part: [rule('part', 'R.attr.owner.contains("n")')],
  flag: [rule('flag', 'R.attr.public')],
  shared: [rule('shared', 'hasIntersection(R.attr.readers, P.attr.friends)')],
  unequal: [rule('unequal', '!(R.attr.owner == P.id) && R.attr.level != 2')],
  fields: [rule('fields', 'R.attr.owner == R.attr.creator')],
  key: [rule('key', 'R.id != "1" && R.attr.owner == P.id')],
  nested: [rule('nested', 'R.attr.address.city == "Bern"')],
  denied: [rule('denied', 'true'), rule('denied', 'R.attr.secret == true', 'EFFECT_DENY')],
  granted: ['    - { actions: [granted], effect: EFFECT_ALLOW, roles: [viewer] }']
}

/** What it cannot: each is refused. */
const UNSAYABLE: Readonly<Record<string, readonly string[]>> = {
  notless: [rule('notless', '!(R.attr.level < 3)')],
  notflag: [rule('notflag', '!R.attr.public')],
  deniedlevel: [rule('deniedlevel', 'true'), rule('deniedlevel', 'R.attr.level > 1', 'EFFECT_DENY')],
  starts: [rule('starts', 'R.attr.owner.startsWith("a")')],
  exists: [rule('exists', 'R.attr.readers.exists(r, r == P.id)')],
  sized: [rule('sized', 'size(R.attr.readers) > 1')],
  choice: [rule('choice', 'R.attr.public ? R.attr.level == 1 : false')],
  added: [rule('added', 'R.attr.level + 1.0 == 2.0')],
  indexed: [rule('indexed', 'R.attr["owner"] == "ann"')]
}

if (binary === undefined) t.plan(0, 'Cerbos is not to be had on this platform')
else {
  const cerbos = await startCerbos(t, {
    policies: [`
apiVersion: api.cerbos.dev/v1
resourcePolicy:
  resource: task
  version: default
  rules:
${[...Object.values(SAYABLE), ...Object.values(UNSAYABLE)].flat().join('\n')}
`]
  })
  const app = fastifyFor(t)
  await app.register(permit, { pdp: cerbos.url, protocol: 'authzen', authzen: { plans: 'cerbos', tenants: 'properties' }, cache: false, user: byHeader, timeout: 20_000 })
  await app.ready()

  const value = fc.constantFrom<unknown>('ann', 'bob', 0, 1, 2, 3, true, false, null, '', ['ann'], ['bob', 'eve'], [], { city: 'Bern' })
  const row: fc.Arbitrary<Row> = fc.record({
    key: fc.constantFrom('1', '2'),
    tenant: fc.constantFrom('acme', 'acme', 'other'),
    attributes: fc.record({
      owner: fc.oneof(fc.constantFrom('ann', 'bob'), value),
      creator: value,
      level: fc.oneof(fc.constantFrom(0, 1, 2, 3), value),
      // A map has its names `in` it, for CEL.
      readers: fc.oneof(fc.constantFrom<unknown>(['ann'], ['bob'], [], { ann: 1 }, { ann: null, eve: 2 }, { bob: {} }), value),
      public: value,
      secret: value,
      address: fc.constantFrom({ city: 'Bern' }, { city: 'Chur' }, { city: null })
    }, { requiredKeys: [] })
  })
  const user = fc.record({ key: fc.constantFrom('ann', 'bob'), attributes: fc.record({ level: fc.nat(3), friends: fc.constantFrom(['ann'], ['bob', 'eve']), 'cerbos.roles': fc.constantFrom(['user'], ['viewer']) }) })

  t.test('a row is in the plan exactly when its check is allowed', async t => {
    const seen = { rows: 0, allowed: 0, some: 0, all: 0, none: 0 }
    await assertCounted(fc.asyncProperty(user, fc.constantFrom(...Object.keys(SAYABLE)), fc.constantFrom('acme', 'other'), fc.array(row, { minLength: 10, maxLength: 20 }), async (user, action, tenant, rows) => {
      const plan: Plan = await app.permit.plan(user, action, 'task', { tenant })
      seen[plan.kind]++
      const own = rows.map(row => ({ ...row, tenant }))
      const resources = own.map(row => ({ type: 'task', key: row.key, tenant, attributes: attributesFor(plan, row)! }))
      const allowed = await app.permit.bulkCheck(user, resources.map(resource => ({ action, resource })))
      for (const [index, row] of own.entries()) {
        if (isIn(plan, row) !== allowed[index]) throw new Error(`${JSON.stringify({ user, action, row, plan })}: the check says ${allowed[index]}`)
        seen.rows++
        if (allowed[index] === true) seen.allowed++
      }
      for (const row of rows) if (row.tenant !== tenant && isIn(plan, row)) throw new Error('a row of another tenant')
    }), { numRuns: Number(process.env['PROPERTY_RUNS'] ?? 300) }, () => {
      t.comment(JSON.stringify(seen))
      t.ok(seen.allowed > seen.rows / 20 && seen.some > seen.all && seen.all > 0 && seen.none > 0)
    })
  })

  t.test('a condition without an exact translation is refused, with the reason', async t => {
    const ann = { key: 'ann', attributes: { level: 3, friends: ['bob'] } }
    for (const action of Object.keys(UNSAYABLE)) {
      await t.rejects(app.permit.plan(ann, action, 'task', { tenant: 'acme' }), { code: 'FST_PERMIT_PLAN', message: /the plan of Cerbos has .*has no exact translation/ }, action)
    }
  })

  t.test('a value with a dot in a list that may be a map is refused, and the message says what to write', async t => {
    for (const key of ['ann@example.com', 'a.b']) {
      await t.rejects(app.permit.plan(key, 'readers', 'task', { tenant: 'acme' }), { code: 'FST_PERMIT_PLAN', message: /may be a map.*hasIntersection/ })
      t.match(await app.permit.plan({ key, attributes: { friends: [key] } }, 'shared', 'task', { tenant: 'acme' }), { kind: 'some' })
    }
  })

  t.test('without the option, the error names the option', async t => {
    const plain = fastifyFor(t)
    await plain.register(permit, { pdp: cerbos.url, protocol: 'authzen', user: byHeader })
    await plain.ready()
    await t.rejects(plain.permit.plan('ann', 'owner', 'task'), { code: 'FST_PERMIT_UNSUPPORTED', message: /plans: 'cerbos'/ })
  })
}
