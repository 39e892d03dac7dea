// permissions() at AuthZEN PDPs: what is asked for named resources, that the answer is what checks say, and what is an error.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import permit, { type AppPermit, type PermitOptions } from '../../../src/index.js'
import { fastifyFor } from '../../support/app.js'
import { authzenPdpFor, type AuthZenPdpOptions } from '../../support/authzen-pdp.js'
import { assertCounted } from '../../support/counted.js'
import { sendJson } from '../../support/fake-pdp.js'

async function appFor (t: Pick<Test, 'teardown'>, url: string, options: Partial<PermitOptions> = {}): Promise<AppPermit> {
  const app = fastifyFor(t as Test)
  await app.register(permit, { pdp: url, protocol: 'authzen', timeout: 10_000, breaker: false, cache: false, ...options } as PermitOptions)
  await app.ready()
  return app.permit
}

interface Asked {
  readonly subject: { id: string }
  readonly resource: { type: string, id: string, properties: { tenant: string } }
  readonly page: { token?: string }
}

/** A PDP whose search for actions answers as the test says. */
function searching (answer: (body: Asked) => unknown): AuthZenPdpOptions {
  return {
    intercept (request, response) {
      if (!request.url.endsWith('/search/action')) return false
      sendJson(response, 200, answer(request.body as Asked))
      return true
    }
  }
}

const names = (...actions: string[]) => ({ results: actions.map(name => ({ name })) })

t.test('one search is sent for each named resource, and the answer has those with permissions, in the usual form', async t => {
  const pdp = await authzenPdpFor(t, searching(({ resource, page }) => {
    if (resource.id === '9') return names()
    return page.token === undefined ? { ...names('update'), page: { next_token: 'more' } } : names('read', 'update')
  }))
  const app = await appFor(t, pdp.url, { authzen: { tenants: 'properties' } })
  const user = { key: 'ann', attributes: { level: 3 } }
  const found = await app.permissions(user, { tenants: ['acme'], resources: ['task:7', 'task:9', 'task:7', 'folder:a:b', 'note:1'], resourceTypes: ['task', 'folder'], context: { hour: 9 } })
  const tenant = { key: 'acme' }
  t.same(found, {
    'task:7': { tenant, resource: { type: 'task', key: '7' }, permissions: ['task:read', 'task:update'] },
    'folder:a:b': { tenant, resource: { type: 'folder', key: 'a:b' }, permissions: ['folder:read', 'folder:update'] }
  })
  const searches = pdp.to('/access/v1/search/action').map(({ body }) => body as Asked)
  t.same(searches.map(({ resource: { type, id }, page }) => `${type}:${id} ${page.token ?? ''}`).sort(), ['folder:a:b ', 'folder:a:b more', 'task:7 ', 'task:7 more', 'task:9 '])
  t.same(searches[0], {
    subject: { type: 'user', id: 'ann', properties: { level: 3 } }, resource: { type: 'task', id: '7', properties: { tenant: 'acme' } }, context: { hour: 9 }, page: { limit: 1_000 }
  })
})

t.test('what is not named, or cannot be, is refused with what to name, and nothing is sent', async t => {
  const pdp = await authzenPdpFor(t, searching(() => names('read')))
  const app = await appFor(t, pdp.url, { authzen: { tenants: 'properties' } })
  const unsupported = (message: RegExp) => ({ code: 'FST_PERMIT_UNSUPPORTED', statusCode: 500, message })
  const tenants = ['acme']
  await t.rejects(app.permissions('ann'), unsupported(/Name the resources, such as \{ resources: \['task:7', 'task:8'\] \}/))
  await t.rejects(app.permissions('ann', { tenants, resources: [] }), unsupported(/Name the resources/))
  await t.rejects(app.permissions('ann', { tenants, resourceTypes: ['task'] }), unsupported(/Name the resources/))
  await t.rejects(app.permissions('ann', { resources: ['task:7'] }), unsupported(/one tenant.*tenants: \['acme'\]/))
  await t.rejects(app.permissions('ann', { resources: ['task:7'], tenants: ['acme', 'other'] }), unsupported(/one tenant/))
  await t.rejects(app.permissions('ann', { resources: ['task:7'], tenants: [] }), unsupported(/one tenant/))
  for (const id of ['7', 'task', 'task:', ':7']) await t.rejects(app.permissions('ann', { tenants, resources: [id] }), unsupported(/Name it as 'type:key'/), id)
  await t.rejects(app.permissions('ann', { tenants, resources: ['task:7', '__tenant:acme'] }), unsupported(/whole tenants.*searchActions\(\)/))
  await t.rejects(app.permissions('ann', { tenants, resources: ['task:7'], resourceTypes: ['__tenant'] }), unsupported(/whole tenants/))
  const many = Array.from({ length: 101 }, (_, index) => `task:${index}`)
  await t.rejects(app.permissions('ann', { tenants, resources: many }), { code: 'FST_PERMIT_QUERY', message: /names 101 resources.*at most 100/ })
  t.same(pdp.to('/access/v1/search/action'), [])
  t.equal(Object.keys(await app.permissions('ann', { tenants, resources: many.slice(1) })).length, 100)

  const alone = await appFor(t, pdp.url)
  t.match(await alone.permissions('ann', { resources: ['task:7'] }), { 'task:7': { tenant: { key: 'default' } } })
  await t.rejects(alone.permissions('ann', { resources: ['task:7'], tenants }), { code: 'FST_PERMIT_QUERY', message: /authzen\.tenants/ })
})

t.test('a PDP without the search for actions is said', async t => {
  const without = { code: 'FST_PERMIT_UNSUPPORTED', message: /permissions\(\).*has no search for actions.*bulkCheck\(\)/ }
  const bare = await authzenPdpFor(t)
  await t.rejects((await appFor(t, bare.url)).permissions('ann', { resources: ['task:7', 'task:8'] }), without)
  const announced = await authzenPdpFor(t, { metadata: url => ({ policy_decision_point: url, access_evaluation_endpoint: `${url}/access/v1/evaluation` }) })
  await t.rejects((await appFor(t, announced.url)).permissions('ann', { resources: ['task:7'] }), without)
  t.same(announced.to('/access/v1/search/action'), [])
})

t.test('one search that fails fails the whole answer', async t => {
  const unavailable = { code: 'FST_PERMIT_UNAVAILABLE', statusCode: 503 }
  const cases: Array<[what: string, answer: unknown, error: { code: string }]> = [
    ['an error in place of results', { error: { status: 404, message: 'no such store' }, results: [] }, unavailable],
    ['an error in the context', { results: [], context: { error: 'timeout' } }, unavailable],
    ['an error in a result', { results: [{ name: 'read' }, { name: 'update', context: { error: { status: 500 } } }] }, unavailable],
    ['a result that is an error', { results: [{ name: 'read', error: 'unknown' }] }, unavailable],
    ['a result without a name', { results: [{}] }, unavailable],
    ['no results', {}, unavailable],
    ['more than 1,000 actions', names(...Array.from({ length: 1_001 }, (_, index) => `a${index}`)), { code: 'FST_PERMIT_SEARCH' }]
  ]
  for (const [what, answer, error] of cases) {
    const pdp = await authzenPdpFor(t, searching(({ resource }) => resource.id === '8' ? answer : names('read')))
    await t.rejects((await appFor(t, pdp.url)).permissions('ann', { resources: ['task:7', 'task:8', 'task:9'] }), error, what)
  }
  for (const status of [403, 500]) {
    const pdp = await authzenPdpFor(t, {
      intercept ({ url, body }, response) {
        if (!url.endsWith('/search/action')) return false
        sendJson(response, (body as Asked).resource.id === '8' ? status : 200, names('read'))
        return true
      }
    })
    await t.rejects((await appFor(t, pdp.url)).permissions('ann', { resources: ['task:7', 'task:8', 'task:9'] }), unavailable, String(status))
  }
})

t.test('all searches have one deadline', async t => {
  const pdp = await authzenPdpFor(t, { intercept: ({ url }) => url.endsWith('/search/action') })
  const app = await appFor(t, pdp.url, { timeout: 300 })
  const warnings: string[] = []
  const note = ({ name }: Error) => warnings.push(name)
  process.on('warning', note)
  t.teardown(() => process.off('warning', note))
  const start = performance.now()
  await t.rejects(app.permissions('ann', { resources: Array.from({ length: 100 }, (_, index) => `task:${index}`) }), { code: 'FST_PERMIT_UNAVAILABLE' })
  t.ok(performance.now() - start < 5_000)
  // Node emits warnings in the next turn.
  await new Promise(resolve => setImmediate(resolve))
  t.same(warnings, [], 'Node does not warn about listeners')
})

interface World { readonly grants: readonly string[], readonly tenants: 'ids' | 'properties', readonly inheritFromType: boolean }

t.test('a permission is listed exactly if a check allows it', async t => {
  let grants = new Set<string>()
  const actions = ['read', 'create', 'create_task', 'create_task_task']
  const grantOf = ({ subject, resource }: Asked, action: string) => `${subject.id} ${action} ${resource.type}:${resource.id} ${resource.properties.tenant}`
  const pdp = await authzenPdpFor(t, {
    decide: evaluation => ({ decision: grants.has(grantOf(evaluation as unknown as Asked, evaluation.action.name)) }),
    ...searching(body => names(...actions.filter(action => grants.has(grantOf(body, action)))))
  })
  const apps = new Map<string, AppPermit>()
  for (const tenants of ['ids', 'properties'] as const) {
    for (const inheritFromType of [true, false]) {
      const authzen = { tenants, inheritFromType, types: { '*': { resource: 'tenant:{tenant}', action: '{action}_{type}' } } }
      apps.set(`${tenants} ${inheritFromType}`, await appFor(t, pdp.url, { authzen }))
    }
  }
  const grant = fc.tuple(fc.constantFrom('ann', 'bob'), fc.constantFrom(...actions), fc.constantFrom('task:1', 'task:2', 'task:acme/1', 'task:other/1', 'task:acme/acme/1', 'tenant:acme', 'tenant:other'), fc.constantFrom('acme', 'other'))
  const world: fc.Arbitrary<World> = fc.record({
    grants: fc.array(grant.map(parts => parts.join(' ')), { maxLength: 12 }), tenants: fc.constantFrom('ids', 'properties'), inheritFromType: fc.boolean()
  })
  const resources = ['task:1', 'task:2', 'task:acme/1', 'task:*', 'tenant:acme']
  let listed = 0
  await assertCounted(fc.asyncProperty(world, async ({ grants: given, tenants, inheritFromType }) => {
    grants = new Set(given)
    const app = apps.get(`${tenants} ${inheritFromType}`) as AppPermit
    for (const tenant of ['acme', 'other']) {
      const found = await app.permissions('ann', { tenants: [tenant], resources })
      const pairs = resources.flatMap(resource => actions.map(action => ({ action, resource, tenant })))
      const allowed = await app.bulkCheck('ann', pairs as never)
      for (const [place, { resource, action }] of pairs.entries()) {
        const [type] = resource.split(':')
        const isListed = found[resource]?.permissions.includes(`${type}:${action}`) === true
        assert.equal(isListed, allowed[place], `${action} on ${resource} in ${tenant}`)
        if (isListed) listed++
      }
    }
  }), {
    numRuns: 60,
    // What a type gives has another name there: a check for `create_task` would ask for `create_task_task`.
    examples: [[{ grants: ['ann create_task tenant:acme acme', 'ann read task:1 acme', 'ann read tenant:acme acme'], tenants: 'properties', inheritFromType: true }]]
  }, () => { t.ok(listed > 0, `${listed} listed`) })
})

t.test('a search for the actions on a type has the names that a check takes', async t => {
  const pdp = await authzenPdpFor(t, searching(() => names('create_task', 'create_folder', 'editor', '_task', 'read')))
  const types = (action?: string) => ({ authzen: { tenants: 'properties' as const, types: { task: { resource: 'tenant:{tenant}', ...(action === undefined ? {} : { action }) } } } })
  const found = async (action?: string) => (await appFor(t, pdp.url, types(action))).searchActions('ann', 'task', { tenant: 'acme' }).toArray()
  t.same(await found('{action}_{type}'), ['create'])
  t.same(await found(), ['create_task', 'create_folder', 'editor', '_task', 'read'])
  await t.rejects(found('editor'), { code: 'FST_PERMIT_SEARCH', message: /one action for all actions on the type "task"/ })
  t.same(await found('owner'), [])
})
