// Every face takes the same arguments, which mean the same; and a word that is no option is refused, and never dropped.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { permit as expressPermit, type Permit } from '../../src/express/index.js'
import type { AppPermit, Policy, RequestPermit, ResourceInput } from '../../src/index.js'
import permit from '../../src/index.js'
import { createLocalPdp } from '../../src/server/index.js'
import { fastifyFor } from '../support/app.js'
import { facesFor } from '../support/faces.js'

/** `ann` has a role in each tenant, and a condition looks at the context. */
const policy: Policy = {
  resources: { task: { actions: { create: {}, retrieve: {} } } },
  roles: { maker: { permissions: ['task:create'] }, reader: { permissions: ['task:retrieve'] } },
  user_sets: { anybody: { conditions: { 'user.key': { 'not-equals': '' } } } },
  resource_sets: { at_noon: { resource: 'task', conditions: { 'context.hour': { equals: 12 } } } },
  set_rules: [{ user_set: 'anybody', permission: 'task:create', resource_set: 'at_noon' }],
  tenants: { t1: {}, t2: {} },
  users: { ann: {} },
  role_assignments: [{ user: 'ann', role: 'maker', tenant: 'default' }, { user: 'ann', role: 'reader', tenant: 't1' }]
}

type Options = { tenant?: string, context?: Record<string, unknown> }

/** A face, with whoever asks: `ann`. */
interface Face {
  check (action: string, resource: ResourceInput, options?: Options): Promise<boolean>
  assert (action: string, resource: ResourceInput, options?: Options): Promise<void>
  explain (action: string, resource: ResourceInput, options?: Options): Promise<{ allow: boolean }>
  bulkCheck (checks: readonly object[], options?: Options): Promise<boolean[]>
  filter (action: string, items: readonly unknown[], toResource: (item: never) => ResourceInput, options?: Options): Promise<unknown[]>
  permissions (options?: object): Promise<unknown>
}

const ofApp = (permit: AppPermit | Permit): Face => ({
  check: (...args) => permit.check('ann', ...args),
  assert: (...args) => permit.assert('ann', ...args),
  explain: (...args) => permit.explain('ann', ...args),
  bulkCheck: (checks, ...args) => permit.bulkCheck('ann', checks as never, ...args),
  filter: (action, items, toResource, ...args) => permit.filter('ann', action, items, toResource as never, ...args),
  permissions: (...args) => permit.permissions('ann', ...args)
})

/** A request that lasts as long as the test. */
async function facesOf (t: Test) {
  const { app, request, authz, expressRequest } = await facesFor(t, policy)
  return {
    'app.permit': ofApp(app.permit),
    'request.permit': await request as unknown as Face,
    "Express's permit": ofApp(authz.permit),
    'req.permit': await expressRequest as unknown as Face
  }
}

t.test('a tenant and a context mean the same in every API and every method', async t => {
  const faces = await facesOf(t)
  const cases: Array<[action: string, resource: ResourceInput, options: Options | undefined, allowed: boolean]> = [
    ['create', 'task', undefined, true],
    ['create', 'task', {}, true],
    ['create', 'task', { tenant: 't1' }, false],
    ['create', 'task', { tenant: 't1', context: { hour: 12 } }, true],
    ['create', 'task', { context: { hour: 11 }, tenant: 't1' }, false],
    ['retrieve', 'task:7', undefined, false],
    ['retrieve', 'task:7', { tenant: 't1' }, true],
    ['retrieve', { type: 'task', tenant: 't2' }, { tenant: 't1' }, false],
    ['retrieve', { type: 'task', tenant: 't1' }, { tenant: 't2' }, true],
    ['retrieve', 'task', { tenant: undefined }, false]
  ]
  for (const [name, face] of Object.entries(faces)) {
    for (const [action, resource, options, allowed] of cases) {
      const what = `${name}: ${JSON.stringify([action, resource, options])}`
      t.equal(await face.check(action, resource, options), allowed, what)
      t.equal((await face.explain(action, resource, options)).allow, allowed)
      t.equal(await face.assert(action, resource, options).then(() => true, ({ code }: { code: string }) => code), allowed || 'FST_PERMIT_FORBIDDEN')
      t.same(await face.bulkCheck([{ action, resource, ...options }]), [allowed])
      t.same(await face.bulkCheck([{ action, resource }], options), [allowed])
      t.same(await face.bulkCheck([{ action, resource, ...options }], { tenant: 't2', context: { hour: 1 } }), [options?.tenant === undefined && typeof resource === 'string' ? false : allowed])
      t.same(await face.filter(action, ['one'], () => resource, options), allowed ? ['one'] : [])
    }
  }
})

/** What is not an options object, and what has a word too many; what the message has to say. */
const WRONG: ReadonlyArray<readonly [options: unknown, message: RegExp]> = [
  [{ tenent: 't1' }, /"tenent" is not known.*did you mean "tenant"/],
  [{ tenants: ['t1'] }, /did you mean "tenant"/],
  [{ Tenant: 't1' }, /did you mean "tenant"/],
  [{ contxt: {} }, /did you mean "context"/],
  [{ tenant: 't1', ip: '::1' }, /"ip" is not known; expected tenant, context.*\{ context: \{ … \} \}/],
  [{ ip: '::1' }, /context: \{/],
  [{ user: 'bob' }, /"user" is not known/],
  ['t1', /must be an object/],
  [null, /must be an object .*got null/],
  [['t1'], /must be an object .*got an array/],
  [{ tenant: '' }, /tenant/],
  [{ tenant: ['t1'] }, /tenant/],
  [{ tenant: { key: 't1' } }, /tenant/],
  [{ context: 'noon' }, /context/]
]

t.test('every method of every API refuses unknown options and invalid values', async t => {
  for (const [name, face] of Object.entries(await facesOf(t))) {
    for (const [given, message] of WRONG) {
      const options = given as Options
      const refused = { code: 'FST_PERMIT_QUERY', message }
      const what = `${name}: ${JSON.stringify(given)}`
      await t.rejects(face.check('create', 'task', options), refused, what)
      await t.rejects(face.assert('create', 'task', options), refused)
      await t.rejects(face.explain('create', 'task', options), refused)
      await t.rejects(face.bulkCheck([{ action: 'create', resource: 'task' }], options), refused)
      await t.rejects(face.filter('create', ['one'], () => 'task', options), refused)
    }
  }
})

t.test('unknown options are also refused in bulk checks, in resources and in the options of permissions', async t => {
  const question = { action: 'create', resource: 'task' }
  for (const [name, face] of Object.entries(await facesOf(t))) {
    const refuses = (answer: Promise<unknown>, message: RegExp) => t.rejects(answer, { code: 'FST_PERMIT_QUERY', message }, name)
    await refuses(face.bulkCheck([question, { ...question, user: 'bob' }]), /check 1: "user" is not known/)
    await refuses(face.bulkCheck([{ ...question, tenents: 't1' }]), /check 0.*did you mean "tenant"/)
    await refuses(face.bulkCheck(['create' as never]), /check 0 must be an object/)
    await refuses(face.bulkCheck('create' as never), /the checks must be an array/)
    await refuses(face.filter('create', 'task' as never, () => 'task'), /the items must be an array/)
    await refuses(face.filter('create', ['one'], undefined as never), /function/)
    await refuses(face.check('create', { type: 'task', id: '7' } as never), /the resource: "id" is not known/)
    await refuses(face.check('create', { type: 'task', tenat: 't1' } as never), /did you mean "tenant"/)
    await refuses(face.filter('create', ['one'], () => ({ type: 'task', keys: '7' }) as never), /did you mean "key"/)
    await refuses(face.permissions({ tenant: 't1' }), /"tenant" is not known.*did you mean "tenants"/)
    await refuses(face.permissions({ resource_types: ['task'] }), /did you mean "resourceTypes"/)
    await refuses(face.permissions({ tenants: 't1' }), /"tenants" must be an array/)
    await refuses(face.permissions({ tenants: ['t1', 7] }), /"tenants" contains 7/)
    await refuses(face.permissions({ resources: [undefined] }), /"resources" contains undefined/)
    await refuses(face.permissions({ attributes: 'all' }), /"attributes" is "all"; expected true or false/)
    await refuses(face.permissions('t1' as never), /must be an object/)
  }
})

t.test('permissions have attributes only when asked, and only what roles give', async t => {
  const app = fastifyFor(t)
  await app.register(permit, {
    policy: {
      resources: { task: { actions: { read: {}, edit: {} }, roles: { editor: { permissions: ['edit'] } } } },
      roles: { viewer: { permissions: ['task:read'] } },
      user_sets: { all: { conditions: { allOf: [] } } },
      set_rules: [{ user_set: 'all', permission: 'task:edit', resource_set: 'task' }],
      tenants: { t1: { attributes: { secret: 1 } }, t2: {} },
      users: { ann: {} },
      role_assignments: [{ user: 'ann', role: 'viewer', tenant: 't1' }, { user: 'ann', role: 'viewer', tenant: 't2' }, { user: 'ann', role: 'editor', tenant: 't1', resource_instance: 'task:7' }],
      resource_instances: [{ resource: 'task', key: '7', tenant: 't1', attributes: { price: 3 } }]
    }
  })
  const { permit: of } = app
  const ofTenant = { tenant: { key: 't1' }, permissions: ['task:read'], roles: ['viewer'] }
  const ofTask = { tenant: { key: 't1' }, resource: { type: 'task', key: '7' }, permissions: ['task:edit'], roles: ['editor'] }
  t.same(await of.permissions('ann', { tenants: ['t1'] }), { '__tenant:t1': ofTenant, 'task:7': ofTask })
  t.same(await of.permissions('ann', { resourceTypes: ['task'] }), { 'task:7': ofTask })
  t.same(await of.permissions('ann', { tenants: ['t1'], resourceTypes: ['__tenant'] }), { '__tenant:t1': ofTenant })
  t.equal(await of.check('ann', 'edit', 'task', { tenant: 't1' }), true, 'a condition allows it, which is not in the list')
  t.match(await of.permissions('ann', { tenants: ['t1'], attributes: true }), { '__tenant:t1': { tenant: { attributes: { secret: 1 } } }, 'task:7': { resource: { attributes: { price: 3 } } } })
  t.match(await of.permissions('ann', { resourceTypes: ['task'], context: { enable_abac_user_permissions: true } }), { '__tenant:t1': { permissions: ['task:edit'] } })
})

t.test('no check is sent if its options contain any unknown option', async t => {
  const faces = Object.values(await facesOf(t))
  await fc.assert(fc.asyncProperty(
    fc.string({ minLength: 1, unit: 'binary' }).filter(word => !['tenant', 'context', '__proto__'].includes(word)), fc.jsonValue(), fc.constantFrom(...faces),
    async (word, value, face) => {
      const options = { [word]: value } as Options
      for (const answer of [face.check('create', 'task', options), face.bulkCheck([{ action: 'create', resource: 'task', ...options } as never])]) {
        const { code } = await answer.then(() => ({ code: 'answered' }), (error: { code: string }) => error)
        assert.equal(code, ['action', 'resource'].includes(word) ? code : 'FST_PERMIT_QUERY')
        assert.notEqual(code, 'answered')
      }
    }
  ), { numRuns: 100 })
})

t.test('arguments of one API in the other are refused: a user is never taken for an action', async t => {
  const { 'app.permit': app, 'request.permit': request } = await facesOf(t)
  const refused = { code: 'FST_PERMIT_QUERY' }
  await t.rejects((request as unknown as AppPermit).check('ann', 'create', 'task'), refused)
  await t.rejects((request as unknown as AppPermit).check('ann', 'create', { type: 'task' }, { tenant: 't1' }), refused)
  await t.rejects((request as unknown as AppPermit).bulkCheck('ann', []), refused)
  await t.rejects((request as unknown as AppPermit).filter('ann', 'create', [], () => 'task'), refused)
  await t.rejects((request as unknown as AppPermit).permissions('ann'), refused)
  const given = fastifyFor(t)
  await given.register(permit, { policy })
  const asRequest = given.permit as unknown as RequestPermit
  await t.rejects(asRequest.check('create', 'task'), refused)
  await t.rejects(asRequest.check('create', 'task', { tenant: 't1' }), refused)
  await t.rejects(asRequest.bulkCheck([{ action: 'create', resource: 'task' }]), refused)
  await t.rejects(asRequest.permissions({ tenants: ['t1'] }), refused)
  t.equal(await app.check('create', 'task'), true)
})

t.test('the options of the local PDP, of Express and of writes are validated in the same way', async t => {
  const options = (given: object) => given as never
  t.throws(() => createLocalPdp(options({ tokn: 'x' })), { code: 'FST_PERMIT_OPTIONS', message: /"tokn".*did you mean "token"/ })
  t.throws(() => createLocalPdp(options({ opa: { port: 0, hosts: 'x' } })), { code: 'FST_PERMIT_OPTIONS', message: /"opa\.hosts".*did you mean "host"/ })
  t.throws(() => createLocalPdp(options({ reportTo: [{ url: 'http://x', header: {} }] })), { code: 'FST_PERMIT_OPTIONS', message: /"reportTo\.0\.header".*did you mean "headers"/ })
  for (const [given, message] of [
    [{ tenent: () => 't1' }, /did you mean "tenant"/], [{ logg: console }, /did you mean "log"/], [{ prefix: '/x' }, /"prefix" is not known/], [{ strict: true }, /expected only with Fastify/]
  ] as const) {
    t.throws(() => expressPermit(options({ policy, ...given })), { code: 'FST_PERMIT_OPTIONS', message })
  }
  const app = fastifyFor(t)
  await app.register(permit, { policy })
  const { api } = app.permit
  const writes: Array<[() => unknown, RegExp]> = [
    [() => api.syncUser(options({ key: 'ann', role: [] })), /role is not known.*did you mean roles/],
    [() => api.syncUser(options({ key: 'ann', roles: [{ role: 'maker', tenat: 't1' }] })), /tenat is not known.*did you mean tenant/],
    [() => api.createTenant(options({ key: 't3', names: 'x' })), /did you mean name/],
    [() => api.assignRole(options({ user: 'ann', role: 'maker', tenants: 't1' })), /did you mean tenant/],
    [() => (api.assignRole as (...args: unknown[]) => unknown).call(api, { user: 'ann', role: 'maker' }, undefined, 't1'), /an object and further arguments/],
    [() => (api.unassignRole as (...args: unknown[]) => unknown).call(api, { user: 'ann', role: 'maker' }, 'reader'), /an object and further arguments/],
    [() => (api.assignResourceRole as (...args: unknown[]) => unknown).call(api, 'ann', 'owner', { resource: 'task', key: '1', tenant: 't1' }), /tenant is not known/],
    [() => api.deleteResourceInstance(options({ resource: 'task', key: '1', keys: '2' })), /did you mean key/],
    [() => api.createResourceInstance(options({ resource: 'task', key: '1', tennant: 't1' })), /did you mean tenant/],
    [() => api.deleteRelationshipTuple(options({ subject: 'a:1', relation: 'r', object: 'a:2', tenants: 't1' })), /did you mean tenant/]
  ]
  for (const [write, message] of writes) t.throws(write, { code: 'FST_PERMIT_MUTATION', message })
})
