// No request, together with no policy, holds the event loop of an app with the embedded PDP; and the time limit of a check holds for it, too.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import permit, { type PermitOptions, type Policy } from '../../../src/index.js'
import { Beat, isBelow, ThreadClient } from '../../support/beat.js'
import { fastifyFor } from '../../support/app.js'

/** Ms. */
const LONGEST = 50

const policyOf = (conditions: Record<string, unknown>): Policy => ({
  resources: { doc: { actions: { read: {} } } },
  users: { ann: {} },
  user_sets: { asked: { conditions } },
  set_rules: [{ user_set: 'asked', permission: 'doc:read', resource_set: 'doc' }]
})

/** An app whose guard asks with what the client sends. */
async function appFor (t: Test, policy: string | Policy, options: Partial<PermitOptions> = {}, lines: string[] = []) {
  const app = fastifyFor(t, { logger: { level: 'warn', stream: { write: (line: string) => { lines.push(line) } } } })
  await app.register(permit, { policy, user: () => 'ann', ...options })
  app.post('/', { config: { permit: request => ({ action: 'read', resource: { type: 'doc', attributes: request.body as Record<string, unknown> } }) } }, async () => 'ok')
  return { app, url: await app.listen({ port: 0 }) }
}

/** The status, and for how long the loop was held, the least of a few. */
async function attack (client: ThreadClient, url: string, body: unknown): Promise<{ status: number, held: number }> {
  const text = JSON.stringify(body)
  let held = Infinity
  let status = 0
  for (let attempt = 0; attempt < 10 && held > LONGEST; attempt++) {
    const beat = new Beat()
    beat.start()
    const exchange = await client.send({ url, method: 'POST', headers: { 'content-type': 'application/json' }, body: text })
    held = Math.min(held, beat.stop())
    status = exchange.status
  }
  return { status, held }
}

const objects = (count: number, from = 0) => Array.from({ length: count }, (_, id) => ({ id: id + from }))

t.test('a request that fills two lists is answered, and does not block others', async t => {
  const client = new ThreadClient()
  t.teardown(() => client.close())
  for (const operator of ['array_subset', 'array_superset', 'array_intersect', 'equals']) {
    const { url } = await appFor(t, policyOf({ 'resource.a': { [operator]: { ref: 'resource.b' } } }))
    const yes = await attack(client, url, { a: objects(8_000), b: objects(8_000) })
    t.equal(yes.status, 200, operator)
    t.ok(isBelow(yes.held, LONGEST), `${operator}: ${yes.held}`)
    const no = await attack(client, url, { a: objects(8_000), b: objects(8_000, 8_000) })
    t.equal(no.status, 403, operator)
    t.ok(isBelow(no.held, LONGEST), `${operator}: ${no.held}`)
  }
})

t.test('a decision that exceeds its budget is 503, and the log has the place in the policy file', async t => {
  const client = new ThreadClient()
  t.teardown(() => client.close())
  const file = join(t.testdir({}), 'permit.yaml')
  await writeFile(file, [
    'resources:', '  doc: { actions: { read: {} } }', 'users:', '  ann: {}', 'user_sets:',
    '  small: { conditions: { user.a: { equals: 1 } } }', '  costly:', '    conditions:', '      anyOf:',
    ...Array.from({ length: 60 }, (_, index) => `        - { resource.list: { any_match: { match: { id: { equals: -${index + 1} } } } } }`),
    'set_rules:',
    '  - { user_set: small, permission: doc:read, resource_set: doc }',
    '  - { user_set: costly, permission: doc:read, resource_set: doc }'
  ].join('\n'))
  const lines: string[] = []
  const { app, url } = await appFor(t, file, {}, lines)
  for (let times = 0; times < 3; times++) {
    const { status, held } = await attack(client, url, { list: objects(15_000) })
    t.equal(status, 503)
    t.ok(isBelow(held, LONGEST), `${held}`)
  }
  t.equal((await attack(client, url, { list: objects(3) })).status, 403)
  const said = lines.map(line => JSON.parse(line) as { msg: string, permit?: { place?: string, line?: number, rule?: string } }).filter(({ msg }) => msg.includes('steps of work'))
  t.equal(said.length, 1, 'once, not for each request')
  t.match(said[0], { permit: { failure: 'overload', place: 'user_sets.costly.conditions', rule: 'set_rules[1]', line: 7 } })
  t.match(said[0]?.msg, /permit\.yaml:7 \(user_sets\.costly\.conditions\), for .*permit\.yaml:7\d \(set_rules\[1\]\)/)
  await t.rejects(app.permit.check('ann', 'read', { type: 'doc', attributes: { list: objects(15_000) } }), { code: 'FST_PERMIT_UNAVAILABLE', cause: { failure: 'overload' } })
})

t.test('attributes with too many values are refused quickly, with 503', async t => {
  const client = new ThreadClient()
  t.teardown(() => client.close())
  const { url } = await appFor(t, policyOf({ 'resource.a': { equals: 1 } }))
  for (const body of [{ list: Array.from({ length: 90_000 }, () => 1) }, { many: Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`k${index}`, 1])) }]) {
    t.equal((await attack(client, url, body)).status, 503)
  }
})

t.test('a text made to slow down the search does not block others', async t => {
  const client = new ThreadClient()
  t.teardown(() => client.close())
  const { url } = await appFor(t, policyOf({ 'resource.text': { contains: { ref: 'resource.part' } } }))
  const { status, held } = await attack(client, url, { text: 'a'.repeat(300_000), part: `ab${'a'.repeat(50_000)}` })
  t.equal(status, 403)
  t.ok(isBelow(held, LONGEST), `${held}`)
})

const many = 20_000

t.test('a bulk check, a filter and a list of permissions let other requests run', async t => {
  for (const cache of [false, { ttl: 60_000 }] as const) {
    const app = fastifyFor(t)
    await app.register(permit, {
      cache,
      timeout: 30_000,
      policy: {
        ...policyOf({ 'resource.owner': { equals: { ref: 'user.key' } } }),
        roles: { viewer: { permissions: ['doc:read'] } },
        tenants: Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`t${index}`, {}])),
        role_assignments: Array.from({ length: 5_000 }, (_, index) => ({ user: 'ann', role: 'viewer', tenant: `t${index}` }))
      }
    })
    await app.ready()
    const items = Array.from({ length: many }, (_, index) => ({ owner: index % 2 === 0 ? 'ann' : 'bob' }))
    const user = { key: 'ann', attributes: { list: objects(200) } }
    const beat = new Beat()
    for (const [name, run] of Object.entries({
      bulkCheck: () => app.permit.bulkCheck(user, items.map(attributes => ({ action: 'read', resource: { type: 'doc', attributes } }))),
      filter: () => app.permit.filter(user, 'read', items, attributes => ({ type: 'doc', attributes })),
      permissions: () => app.permit.permissions('ann')
    } as Record<string, () => Promise<unknown>>)) {
      let held = Infinity
      for (let attempt = 0; attempt < 10 && held > LONGEST; attempt++) {
        await new Promise(resolve => setImmediate(resolve))
        beat.start()
        const result = await run()
        held = Math.min(held, beat.stop())
        t.equal(Object.keys(result as object).length, name === 'filter' ? many / 2 : name === 'permissions' ? 5_000 : many)
      }
      t.ok(isBelow(held, LONGEST), `${name}: ${held}`)
    }
  }
})

t.test('the deadline of a check applies to the embedded PDP, too', async t => {
  const app = fastifyFor(t)
  await app.register(permit, {
    timeout: 1,
    policy: {
      ...policyOf({ 'user.list': { any_match: { match: { id: { equals: -1 } } } } }),
      roles: { viewer: { permissions: ['doc:read'] } },
      tenants: Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`t${index}`, {}])),
      role_assignments: Array.from({ length: 20_000 }, (_, index) => ({ user: 'ann', role: 'viewer', tenant: `t${index}` }))
    }
  })
  await app.ready()
  const late = { code: 'FST_PERMIT_UNAVAILABLE', cause: { failure: 'timeout' } }
  await t.rejects(app.permit.permissions('ann'), late)
  await t.rejects(app.permit.bulkCheck('ann', Array.from({ length: many }, () => ({ action: 'read', resource: 'doc' }))), late)
  await t.rejects(app.permit.explain({ key: 'ann', attributes: { list: objects(15_000) } }, 'read', 'doc'), late)
})
