// Plans over Permit's wire: what the container can tell by its lists, and a plan over the network that cannot be believed.
import fc from 'fast-check'
import t, { type Test } from 'tap'
import permit, { type Plan, type Policy } from '../../../src/index.js'
import { createLocalPdp } from '../../../src/server/index.js'
import { Engine } from '../../../src/engine/engine.js'
import { TYPES, USERS } from '../../engine/arbitraries.js'
import { policy as anyPolicy } from '../../engine/plan/arbitraries.js'
import { isIn } from '../../engine/plan/evaluate.js'
import { byHeader, fastifyFor, optionsFor, pdpFor } from '../../support/app.js'
import { sendJson } from '../../support/fake-pdp.js'
import { assertCounted } from '../../support/counted.js'

/** A PDP as Permit's container is: without the local PDP's call for plans. */
async function containerFor (t: Pick<Test, 'teardown'>, policy: Policy): Promise<{ url: string, close: () => Promise<void> }> {
  const pdp = createLocalPdp({ policy, token: 'secret' })
  pdp.addHook('onRequest', async (request, reply) => request.url === '/fastify-permit/plan' ? reply.code(404).send({ detail: 'Not Found' }) : undefined)
  const url = await pdp.listen({ port: 0 })
  t.teardown(() => pdp.close())
  return { url, close: async () => { await pdp.close() } }
}

t.test('the container\'s plans have roles in tenants and on instances, including derived ones', async t => {
  const seen = { rows: 0, allowed: 0 }
  await assertCounted(fc.asyncProperty(anyPolicy, async loose => {
    const { set_rules: _rules, ...policy } = loose
    const container = await containerFor({ teardown: () => {} } as never, policy)
    const app = fastifyFor({ teardown: () => {} } as never)
    await app.register(permit, { pdp: container.url, token: 'secret', user: byHeader, cache: false, timeout: 20_000 })
    await app.ready()
    const engine = new Engine(policy)
    try {
      for (const user of USERS) {
        for (const type of TYPES) {
          for (const tenant of ['default', 't1']) {
            const plan = await app.permit.plan(user, 'read', type, { tenant, conditions: 'none' })
            for (const key of ['1', 'a:b', '3', 'not stored']) {
              const { allow } = engine.decide({ user: { key: user }, action: 'read', resource: { type, key, tenant } })
              if (isIn(plan, { key, tenant, attributes: {} }) !== allow) throw new Error(`${JSON.stringify({ user, type, tenant, key, plan })}: ${allow}`)
              seen.rows++
              if (allow) seen.allowed++
            }
          }
        }
      }
    } finally {
      await app.close()
      await container.close()
    }
  }), { numRuns: 15 }, () => {
    t.comment(JSON.stringify(seen))
    t.ok(seen.allowed > 0 && seen.allowed < seen.rows)
  })
})

t.test('conditions that the container does not report are an error, until the app names the attributes that they use', async t => {
  const policy: Policy = {
    resources: { task: { actions: { read: {} }, roles: { viewer: { permissions: ['read'] } } } },
    user_sets: { all: { conditions: { allOf: [] } } },
    resource_sets: { public: { resource: 'task', conditions: { 'resource.public': { equals: true } } } },
    set_rules: [{ user_set: 'all', permission: 'task:read', resource_set: 'public' }],
    users: { ann: {} },
    role_assignments: [{ user: 'ann', role: 'viewer', resource_instance: 'task:1' }],
    resource_instances: [{ resource: 'task', key: '2', attributes: { public: true } }, { resource: 'task', key: '3', attributes: { public: false } }]
  }
  const { url } = await containerFor(t, policy)
  const app = fastifyFor(t)
  await app.register(permit, { pdp: url, token: 'secret', user: byHeader, cache: false })
  await app.ready()
  await t.rejects(app.permit.plan('ann', 'read', 'task'), { code: 'FST_PERMIT_PLAN', statusCode: 500, message: /\{ conditions: 'none' \}.*\{ conditions: 'stored' \}/ })
  await t.rejects(app.permit.plan('ann', 'read', 'task', { conditions: 'none', relations: ['parent'] }), { code: 'FST_PERMIT_PLAN', message: /relations/ })
  t.match(await app.permit.plan('ann', 'read', 'task', { conditions: 'none' }), { condition: { value: [{ field: 'tenant' }, { field: 'key', operator: 'eq', value: '1' }] } })
  t.match(await app.permit.plan('ann', 'read', 'task', { conditions: 'stored' }), { condition: { value: [{ field: 'tenant' }, { field: 'key', value: ['1', '2'] }] } })
})

t.test('an invalid plan from a PDP is 503', async t => {
  const tenant = { operator: 'eq', field: 'tenant', value: 'default' }
  const some = (condition: unknown) => ({ kind: 'some', type: 'task', tenant: 'default', condition })
  const and = (...value: unknown[]) => some({ operator: 'and', value: [tenant, ...value] })
  const nested = (depth: number): unknown => depth === 0 ? tenant : { operator: 'not', value: [nested(depth - 1)] }
  const wrong: unknown[] = [
    null, [], 'all', {}, { kind: 'all' }, { kind: 'all', type: 'task', tenant: 'other' }, { kind: 'all', type: 'folder', tenant: 'default' }, { kind: 'most', type: 'task', tenant: 'default' },
    some(undefined), some(null), some({}), some(tenant.value), some({ operator: 'eq', field: 'key', value: '1' }), some({ ...tenant, value: 'other' }), some({ ...tenant, operator: 'ne' }),
    some({ operator: 'or', value: [tenant, { operator: 'eq', field: 'key', value: '1' }] }), some({ operator: 'not', value: [tenant] }),
    and({ operator: 'regex', field: 'key', value: '.' }), and({ operator: 'eq', field: 'password', value: '' }), and({ operator: 'eq', field: 7, value: '' }), and({ operator: 'eq', field: 'key' }),
    and({ operator: 'in', field: 'key', value: '12' }), and({ operator: 'not', value: [] }), and({ operator: 'not', value: [tenant, tenant] }), and({ operator: 'and', value: {} }),
    and({ operator: 'nor', value: [tenant] }), and({ operator: 'eq_field', field: 'attributes.a', value: 'b' }), and({ operator: 'any_match', field: 'attributes.a', value: 1 }),
    and({ operator: 'toString', field: 'key', value: '1' }), and(nested(500))
  ]
  let answer: unknown
  const pdp = await pdpFor(t, {
    intercept (request, response) {
      if (request.url !== '/fastify-permit/plan') return false
      sendJson(response, 200, answer)
      return true
    }
  })
  const app = fastifyFor(t)
  await app.register(permit, optionsFor(pdp, { breaker: false } as object))
  await app.ready()
  for (const value of wrong) {
    answer = value
    await t.rejects(app.permit.plan('ann', 'read', 'task'), { code: 'FST_PERMIT_UNAVAILABLE', statusCode: 503 }, JSON.stringify(value)?.slice(0, 120))
  }
  for (const value of [{ kind: 'all', type: 'task', tenant: 'default' }, some(tenant), and({ operator: 'any_match', field: 'attributes.a', value: { operator: 'eq', field: 'item.b', value: 1 } })]) {
    answer = value
    t.same(await app.permit.plan('ann', 'read', 'task') as Plan, value)
  }
  answer = { no_plan: 'because' }
  await t.rejects(app.permit.plan('ann', 'read', 'task'), { code: 'FST_PERMIT_PLAN', message: 'because' })
})
