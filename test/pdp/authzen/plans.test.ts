// Plans of AuthZEN PDPs: what their search finds, page by page, with a bound, and never what cannot be believed.
import t, { type Test } from 'tap'
import permit, { type Policy } from '../../../src/index.js'
import { createLocalPdp } from '../../../src/server/index.js'
import { byHeader, fastifyFor } from '../../support/app.js'
import { authzenPdpFor } from '../../support/authzen-pdp.js'
import { sendJson } from '../../support/fake-pdp.js'

const policy: Policy = {
  resources: { task: { actions: { read: {} }, roles: { viewer: { permissions: ['read'] } } } },
  roles: { admin: { permissions: ['task:read'] } },
  tenants: { acme: {} },
  users: { ann: {}, bob: {} },
  role_assignments: [
    ...Array.from({ length: 2_500 }, (_, index) => ({ user: 'ann', role: 'viewer', resource_instance: `task:${index}` })),
    { user: 'ann', role: 'viewer', tenant: 'acme', resource_instance: 'task:of acme' },
    { user: 'bob', role: 'admin', tenant: 'acme' }
  ]
}

async function appFor (t: Test, url: string, options: object = {}) {
  const app = fastifyFor(t)
  await app.register(permit, { pdp: url, protocol: 'authzen', user: byHeader, cache: false, timeout: 10_000, ...options, authzen: { tenants: 'properties', ...(options as { authzen?: object }).authzen } })
  await app.ready()
  return app.permit
}

t.test('the search of the local PDP is read to its last page', async t => {
  const pdp = createLocalPdp({ policy, token: 'secret' })
  const url = await pdp.listen({ port: 0 })
  t.teardown(() => pdp.close())
  const app = await appFor(t, url, { token: 'secret' })
  const plan = await app.plan('ann', 'read', 'task')
  t.match(plan, { kind: 'some', type: 'task', tenant: 'default', condition: { operator: 'and', value: [{ operator: 'eq', field: 'tenant', value: 'default' }, { operator: 'in', field: 'key' }] } })
  const [, listed] = (plan as { condition: { value: Array<{ value: string[] }> } }).condition.value
  t.same(new Set(listed!.value), new Set(Array.from({ length: 2_500 }, (_, index) => String(index))))
  t.match(await app.plan('ann', 'read', 'task', { tenant: 'acme' }), { condition: { value: [{ value: 'acme' }, { operator: 'eq', field: 'key', value: 'of acme' }] } })
  t.same(await app.plan('nobody', 'read', 'task'), { kind: 'none', type: 'task', tenant: 'default' })
})

t.test('a search that is too long, endless or invalid gives no plan', async t => {
  const page = (results: unknown, next?: string) => ({ results, page: { next_token: next ?? '' } })
  const task = (id: unknown, more: object = {}) => ({ type: 'task', id, ...more })
  let count = 0
  const many = (next: () => string | undefined) => () => page(Array.from({ length: 1_000 }, () => task(`t${count++}`)), next())
  const cases: Array<[what: string, answer: () => unknown, error: { code: string, message?: RegExp, statusCode?: number }]> = [
    ['more than the bound', many(() => `p${count}`), { code: 'FST_PERMIT_PLAN', message: /more than 10000 resources/ }],
    ['the same page for ever', () => page([task('1')], 'again'), { code: 'FST_PERMIT_PLAN' }],
    ['no results', () => ({}), { code: 'FST_PERMIT_UNAVAILABLE', statusCode: 503 }],
    ['another type', () => page([{ type: 'folder', id: '1' }]), { code: 'FST_PERMIT_UNAVAILABLE' }],
    ['an id that is no text', () => page([task(1)]), { code: 'FST_PERMIT_UNAVAILABLE' }],
    ['no object', () => [], { code: 'FST_PERMIT_UNAVAILABLE' }]
  ]
  for (const [what, answer, error] of cases) {
    const pdp = await authzenPdpFor(t, {
      intercept (request, response) {
        if (!request.url.endsWith('/search/resource')) return false
        sendJson(response, 200, answer())
        return true
      }
    })
    await t.rejects((await appFor(t, pdp.url)).plan('ann', 'read', 'task'), error, what)
  }
})

t.test('a resource with another tenant is left out', async t => {
  const pdp = await authzenPdpFor(t, {
    intercept (request, response) {
      if (!request.url.endsWith('/search/resource')) return false
      t.same((request.body as { resource: object }).resource, { type: 'task', properties: { tenant: 'acme' } }, 'no id is asked about')
      sendJson(response, 200, { results: [{ type: 'task', id: '1', properties: { tenant: 'other' } }, { type: 'task', id: '2' }, { type: 'task', id: '3', properties: { tenant: 'acme' } }] })
      return true
    }
  })
  t.match(await (await appFor(t, pdp.url)).plan('ann', 'read', 'task', { tenant: 'acme' }), { condition: { value: [{}, { operator: 'in', value: ['2', '3'] }] } })
})

t.test('a PDP without a search endpoint is an error that says so', async t => {
  const bare = await authzenPdpFor(t)
  await t.rejects((await appFor(t, bare.url)).plan('ann', 'read', 'task'), { code: 'FST_PERMIT_UNSUPPORTED', statusCode: 500 })
  const announced = await authzenPdpFor(t, { metadata: url => ({ policy_decision_point: url, access_evaluation_endpoint: `${url}/access/v1/evaluation` }) })
  await t.rejects((await appFor(t, announced.url)).plan('ann', 'read', 'task'), { code: 'FST_PERMIT_UNSUPPORTED' })
})
