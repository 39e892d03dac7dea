// Every form of an annotation: what it asks the PDP, and what a wrong one says.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import t, { type Test } from 'tap'
import permit, { type Annotation } from '../../src/index.js'
import type { PermitOptions } from '../../src/index.js'
import type { WireQuestion } from '../support/fake-pdp.js'
import { byHeader, fastifyFor, guardedApp, logSink } from '../support/app.js'

interface Setting { url?: string, at?: string, user?: string, headers?: Record<string, string>, options?: Partial<PermitOptions>, decide?: (question: WireQuestion) => boolean }

/** What the PDP is asked when ann requests a route with the annotation, and what she gets. */
async function asked (t: Test, annotation: Annotation, { url = '/tasks/:id', at = '/tasks/7', user = 'ann', headers = {}, options, decide = () => true }: Setting = {}) {
  const { app, pdp } = await guardedApp(t, options, { decide })
  let ran = 0
  app.get(url, { config: { permit: annotation } }, async () => { ran++; return 'ok' })
  const { statusCode, json, body } = await app.inject({ url: at, headers: { 'x-user': user, ...headers } })
  return {
    statusCode,
    ran,
    code: statusCode === 200 ? undefined : json().code as string,
    body,
    questions: pdp.questions.map(({ action, resource, context }) => ({ action, resource, ...(Object.keys(context ?? {}).length > 0 && { context }) }))
  }
}

const taskOf = (key?: string, tenant = 'default') => ({ type: 'task', ...(key !== undefined && { key }), tenant })

t.test('a string is a permission in Permit\'s spelling', async t => {
  const { statusCode, questions } = await asked(t, 'task:create')
  t.equal(statusCode, 200)
  t.same(questions, [{ action: 'create', resource: taskOf() }])
})

t.test('a resource can be a type', async t => {
  t.same((await asked(t, { action: 'list', resource: 'task' })).questions, [{ action: 'list', resource: taskOf() }])
})

t.test('a resource can be one instance, as a constant', async t => {
  t.same((await asked(t, { action: 'list', resource: 'task:a:b' })).questions, [{ action: 'list', resource: taskOf('a:b') }])
})

t.test('a resource can be a template with params', async t => {
  t.same((await asked(t, { action: 'retrieve', resource: 'task:{id}' })).questions, [{ action: 'retrieve', resource: taskOf('7') }])
  t.same((await asked(t, { action: 'retrieve', resource: { type: 'task', key: 'k-{id}', attributes: { a: 1 } } })).questions,
    [{ action: 'retrieve', resource: { ...taskOf('k-7'), attributes: { a: 1 } } }])
  t.same((await asked(t, { action: 'retrieve', resource: 'task:{year}-{n}' }, { url: '/t/:year/:n', at: '/t/2026/3' })).questions,
    [{ action: 'retrieve', resource: taskOf('2026-3') }])
  t.same((await asked(t, { action: 'retrieve', resource: 'task:{*}' }, { url: '/files/*', at: '/files/a/b' })).questions,
    [{ action: 'retrieve', resource: taskOf('a/b') }])
})

t.test('a resource can be an object, a function or an async function', async t => {
  const object = { type: 'task', key: 'k', tenant: 'acme', attributes: { secret: false } }
  const expected = [{ action: 'retrieve', resource: object }]
  t.same((await asked(t, { action: 'retrieve', resource: object })).questions, expected)
  t.same((await asked(t, { action: 'retrieve', resource: () => object })).questions, expected)
  t.same((await asked(t, { action: 'retrieve', resource: async () => object })).questions, expected)
  t.same((await asked(t, { action: 'retrieve', resource: async request => `task:${(request.params as { id: string }).id}` })).questions,
    [{ action: 'retrieve', resource: taskOf('7') }])
})

t.test('the result of a function is not a template', async t => {
  const { questions } = await asked(t, { action: 'retrieve', resource: request => `task:${(request.params as { id: string }).id}` }, { at: '/tasks/%7Bid%7D' })
  t.same(questions, [{ action: 'retrieve', resource: taskOf('{id}') }])
})

t.test('the whole annotation can be a function or an async function', async t => {
  t.same((await asked(t, () => 'task:create')).questions, [{ action: 'create', resource: taskOf() }])
  t.same((await asked(t, async () => ({ action: 'retrieve', resource: 'task:{id}' }))).questions, [{ action: 'retrieve', resource: taskOf('{id}') }])
})

t.test('the tenant comes from the resource, then the annotation, then the plugin, then it is default', async t => {
  const options: Partial<PermitOptions> = { tenant: request => request.headers['x-tenant'] as string }
  const headers = { 'x-tenant': 'by-plugin' }
  const tenants = async (annotation: Annotation, setting: Setting) => (await asked(t, annotation, setting)).questions.map(q => q.resource.tenant)
  t.same(await tenants('task:create', { options, headers }), ['by-plugin'])
  t.same(await tenants('task:create', { options: { tenant: async () => 'later' }, headers }), ['later'])
  t.same(await tenants('task:create', { options }), ['default'])
  t.same(await tenants({ action: 'create', resource: 'task', tenant: 'by-annotation' }, { options, headers }), ['by-annotation'])
  t.same(await tenants({ action: 'create', resource: 'task', tenant: () => 'by-function' }, { options, headers }), ['by-function'])
  t.same(await tenants({ action: 'create', resource: 'task', tenant: async () => 'by-async' }, { options, headers }), ['by-async'])
  t.same(await tenants({ action: 'create', resource: { type: 'task', tenant: 'by-resource' }, tenant: 'by-annotation' }, { options, headers }), ['by-resource'])
  t.same(await tenants({ action: 'create', resource: () => ({ type: 'task', tenant: 'by-resource' }), tenant: 'by-annotation' }, { options, headers }), ['by-resource'])
})

t.test('the context is sent, as a constant or from a function', async t => {
  for (const context of [{ ip: '::1' }, () => ({ ip: '::1' }), async () => ({ ip: '::1' })]) {
    t.same((await asked(t, { action: 'create', resource: 'task', context })).questions, [{ action: 'create', resource: taskOf(), context: { ip: '::1' } }])
  }
})

t.test('anyOf allows a user with one of the permissions', async t => {
  const annotation: Annotation = { anyOf: ['task:create', { action: 'update', resource: 'task:{id}' }] }
  t.equal((await asked(t, annotation, { decide: q => q.action === 'create' })).statusCode, 200)
  t.equal((await asked(t, annotation, { decide: q => q.resource.key === '7' })).statusCode, 200)
  t.equal((await asked(t, annotation, { decide: () => false })).statusCode, 403)
})

t.test('allOf allows a user with all of the permissions', async t => {
  const annotation: Annotation = { allOf: ['task:create', async () => 'task:update'].slice(0, 1).concat(['task:update']) as Annotation[] as never }
  t.equal((await asked(t, annotation, { decide: () => true })).statusCode, 200)
  t.equal((await asked(t, annotation, { decide: q => q.action === 'create' })).statusCode, 403)
  t.equal((await asked(t, annotation, { decide: q => q.action === 'update' })).statusCode, 403)
})

t.test('anyOf and allOf can be nested', async t => {
  const annotation: Annotation = { allOf: ['task:a', { anyOf: ['task:b', 'task:c'] }] }
  t.equal((await asked(t, annotation, { decide: q => q.action !== 'b' })).statusCode, 200)
  t.equal((await asked(t, annotation, { decide: q => q.action !== 'a' })).statusCode, 403)
  t.equal((await asked(t, annotation, { decide: q => q.action === 'a' })).statusCode, 403)
})

t.test('a part without a decision does not matter if the other parts decide; otherwise it is 503', async t => {
  const broken = (action: string, others: boolean) => (q: WireQuestion) => {
    if (q.action === action) throw new Error('the PDP breaks')
    return others
  }
  t.equal((await asked(t, { anyOf: ['task:a', 'task:b'] }, { decide: broken('a', true) })).statusCode, 200)
  t.equal((await asked(t, { anyOf: ['task:a', 'task:b'] }, { decide: broken('a', false) })).statusCode, 503)
  t.equal((await asked(t, { allOf: ['task:a', 'task:b'] }, { decide: broken('a', true) })).statusCode, 503)
  t.equal((await asked(t, { allOf: ['task:a', 'task:b'] }, { decide: broken('a', false) })).statusCode, 403)
})

t.test('app.permit.guard() is the same guard as a hook', async t => {
  const { app, pdp } = await guardedApp(t)
  app.get('/a/:id', { preHandler: app.permit.guard({ action: 'retrieve', resource: 'task:{id}' }) }, async () => 'ok')
  app.get('/b', { onRequest: [app.permit.guard('task:create')] }, async () => 'ok')
  t.equal((await app.inject({ url: '/a/7' })).statusCode, 401)
  t.equal((await app.inject({ url: '/a/7', headers: { 'x-user': 'eve' } })).statusCode, 403)
  t.equal((await app.inject({ url: '/a/7', headers: { 'x-user': 'ann' } })).statusCode, 200)
  t.equal((await app.inject({ url: '/b', headers: { 'x-user': 'eve' } })).statusCode, 403)
  t.equal((await app.inject({ url: '/b', headers: { 'x-user': 'ann' } })).statusCode, 200)
  t.equal(pdp.questions[0]?.resource.key, '7')
})

t.test('guard() and an annotation on one route are both checked', async t => {
  const { app, pdp } = await guardedApp(t)
  app.get('/both', { preHandler: app.permit.guard('task:a'), config: { permit: 'task:b' } }, async () => 'ok')
  t.equal((await app.inject({ url: '/both', headers: { 'x-user': 'ann' } })).statusCode, 200)
  t.same(pdp.questions.map(q => q.action), ['a', 'b'])
})

t.test('a function that does not return a permission never allows', async t => {
  const returned: unknown[] = [false, true, undefined, null, '', 'task', 'task:', ':create', 'a:b:c', 7, {}, [], { action: 'a' }, { anyOf: [] }, { allOf: [] },
    { action: '', resource: 'task' }, { action: 'a', resource: '' }, { action: 'a', resource: 'task:' }, { action: 'a', resource: { type: 'task', key: '' } },
    { action: 'a', resource: 'task', tenant: 7 }, { action: 'a', resource: { type: 'a:b' } }]
  for (const value of returned) {
    for (const annotation of [() => value, async () => value] as Annotation[]) {
      const { statusCode, ran, code, questions } = await asked(t, annotation)
      t.equal(statusCode, 500, `a function that returns ${JSON.stringify(value)}`)
      t.match(code, /^FST_PERMIT_(ANNOTATION|QUERY)$/)
      t.equal(ran, 0)
      t.same(questions, [])
    }
  }
})

t.test('a function that throws or rejects, with any value, never allows', async t => {
  const nothing: unknown[] = [undefined, null, 0, '', false, 'text', {}, new Error('boom')]
  for (const thrown of nothing) {
    const fails: (() => never)[] = [() => { throw thrown }]
    const rejects = async () => { throw thrown }
    for (const fail of [...fails, rejects] as (() => never)[]) {
      for (const annotation of [fail, { action: 'a', resource: fail }, { action: 'a', resource: 'task', tenant: fail }, { action: 'a', resource: 'task', context: fail }] as Annotation[]) {
        const { statusCode, ran } = await asked(t, annotation)
        t.equal(statusCode, 500)
        t.equal(ran, 0)
      }
      for (const options of [{ user: fail }, { tenant: fail }] as Partial<PermitOptions>[]) {
        const { statusCode, ran } = await asked(t, 'task:create', { options })
        t.equal(statusCode, 500)
        t.equal(ran, 0)
      }
    }
  }
})

t.test('an error of an option keeps its own status', async t => {
  const options: Partial<PermitOptions> = { user: async () => { throw Object.assign(new Error('token expired'), { statusCode: 401 }) } }
  t.equal((await asked(t, 'task:create', { options })).statusCode, 401)
})

t.test('a user can be an object with attributes, or a promise', async t => {
  const { app, pdp } = await guardedApp(t, { user: async () => ({ key: 'ann', email: 'ann@x.example', firstName: 'Ann', lastName: 'X', attributes: { age: 3 } }) })
  app.get('/', { config: { permit: 'task:create' } }, async () => 'ok')
  t.equal((await app.inject('/')).statusCode, 200)
  t.same(pdp.questions[0]?.user, { key: 'ann', email: 'ann@x.example', first_name: 'Ann', last_name: 'X', attributes: { age: 3 } })
})

t.test('no user is 401, and an invalid user is an error', async t => {
  for (const user of [undefined, null, ''] as const) {
    for (const options of [{ user: () => user }, { user: async () => user }]) {
      const { statusCode, code, questions } = await asked(t, 'task:create', { options })
      t.equal(statusCode, 401)
      t.equal(code, 'FST_PERMIT_UNAUTHENTICATED')
      t.same(questions, [])
    }
  }
  for (const user of [7, false, true, [], {}, { key: '' }, { key: 7 }, { key: 'a', attributes: [] }, { key: 'a', attributes: { n: NaN } }] as never[]) {
    const { statusCode, code, ran } = await asked(t, 'task:create', { options: { user: () => user } })
    t.equal(statusCode, 500)
    t.equal(code, 'FST_PERMIT_QUERY')
    t.equal(ran, 0)
  }
})

t.test('without the option, the user is the subject of the verified token', async t => {
  const { app, pdp } = await guardedApp(t, { user: undefined })
  app.decorateRequest('user', null as never)
  app.addHook('onRequest', async request => {
    const sub = request.headers['x-user']
    if (sub !== undefined) (request as { user?: unknown }).user = { sub }
  })
  app.get('/', { config: { permit: 'task:create' } }, async () => 'ok')
  t.equal((await app.inject('/')).statusCode, 401)
  t.equal((await app.inject({ url: '/', headers: { 'x-user': 'ann' } })).statusCode, 200)
  t.equal(pdp.questions[0]?.user.key, 'ann')
})

const WRONG: [unknown, RegExp][] = [
  [undefined, /it is undefined/],
  [null, /it is null/],
  [true, /it is true/],
  [7, /it is 7/],
  ['', /expected 'type:action'/],
  ['task', /expected 'type:action'/],
  ['task:', /expected 'type:action'/],
  [':create', /expected 'type:action'/],
  ['task:{id}', /expected 'type:action'/],
  ['a:b:c', /expected 'type:action'/],
  [{}, /action is undefined/],
  [{ action: 'a' }, /the resource is undefined/],
  [{ action: 'a', resource: 'task', tenent: 'x' }, /"tenent" is not known/],
  [{ action: '{id}', resource: 'task' }, /an action is never filled in/],
  [{ action: () => 'a', resource: 'task' }, /a request never chooses the action/],
  [{ action: 'a', resource: '{id}' }, /a type is never filled in/],
  [{ action: 'a', resource: '{id}:7' }, /a type is never filled in/],
  [{ action: 'a', resource: { type: '{id}' } }, /a type is never filled in/],
  [{ action: 'a', resource: 'task', tenant: '{id}' }, /a tenant is never filled in/],
  [{ action: 'a', resource: { type: 'task', tenant: '{id}' } }, /a tenant is never filled in/],
  [{ action: 'a', resource: 'task', tenant: '' }, /expected a string that is not empty/],
  [{ action: 'a', resource: 'task:' }, /non-empty type and key/],
  [{ action: 'a', resource: ':x' }, /non-empty type and key/],
  [{ action: 'a', resource: { type: 'a:b' } }, /a type has no colon/],
  [{ action: 'a', resource: { type: 'task', id: '{id}' } }, /"id" is not known/],
  [{ action: 'a', resource: 'task:{id' }, /a brace that is not part/],
  [{ action: 'a', resource: 'task:{}' }, /a brace that is not part/],
  [{ action: 'a', resource: 'task:{{id}}' }, /a brace that is not part/],
  [{ action: 'a', resource: 'task:{other}' }, /the resource names \{other\}, but the URL has only \{id\}/],
  [{ action: 'a', resource: 'task:{constructor}' }, /names \{constructor\}/],
  [{ anyOf: ['task:a', { action: 'a', resource: 'task:{other}' }] }, /names \{other\}/],
  [{ anyOf: [] }, /at least one permission/],
  [{ allOf: [] }, /at least one permission/],
  [{ allOf: 'task:a' }, /at least one permission/],
  [{ anyOf: ['task:a'], allOf: ['task:b'] }, /"allOf" is not known/],
  [{ anyOf: [false] }, /it is false/],
  [{ action: 'a', resource: 'task', context: 'x' }, /the context must be an object/],
  // Mistakes that people make, each answered with what was meant.
  [{ acton: 'a', resource: 'task' }, /"acton" is not known: did you mean "action"\?; expected 'type:action', 'url', \{ url \}, \{ action, resource, tenant\?, context\? \}, \{ anyOf: \[…\] \}, \{ allOf: \[…\] \} or a function/],
  [{ action: 'a', ressource: 'task' }, /did you mean "resource"\?/],
  [{ action: 'a', resource: 'task', tennant: 'x' }, /did you mean "tenant"\?/],
  [{ anyof: ['task:a'] }, /did you mean "anyOf"\?/],
  [{ alOf: ['task:a'] }, /did you mean "allOf"\?/],
  [{ permission: 'task:a' }, /"permission" is not known; expected 'type:action', /],
  [{ anyOf: ['task:a'], tenant: 'x' }, /"tenant" is not known; expected only \{ anyOf: \[…\] \}, with tenant and context inside its permissions/],
  [{ allOf: ['task:a', { acton: 'b', resource: 'task' }] }, /did you mean "action"\?/],
  [['task:a', 'task:b'], /it is an array; write \{ anyOf: \[…\] \} if one/],
  [{ action: 'a', resource: { tpye: 'task' } }, /"tpye" is not known: did you mean "type"\?; expected type, key, tenant, attributes/],
  ['task.create', /did you mean 'task:create'\?/],
  ['task/create', /did you mean 'task:create'\?/],
  [{ action: 'a', resource: 'task::id' }, /the resource key ":id" contains :id, which is not a param here; write \{id\}/],
  // eslint-disable-next-line no-template-curly-in-string
  [{ action: 'a', resource: 'task:${id}' }, /contains \$\{id\}, which is not a param here; write \{id\}/],
  [{ action: 'a', resource: { type: 'task', key: ':id' } }, /write \{id\}/]
]

t.test('a wrong annotation stops the app where the route is declared, with the route and the fix', async t => {
  for (const [annotation, message] of WRONG) {
    const { app } = await guardedApp(t)
    t.throws(() => app.get('/tasks/:id', { config: { permit: annotation as Annotation } }, async () => 'ok'), {
      code: /^FST_PERMIT_(ANNOTATION|QUERY)$/, message
    }, JSON.stringify(annotation))
    t.throws(() => app.get('/tasks/:id', { config: { permit: annotation as Annotation } }, async () => 'ok'), { message: /config.permit of GET \/tasks\/:id/ })
    if (typeof annotation === 'object' && annotation !== null && /names|only/.test(message.source)) {
      t.throws(() => app.get('/tasks/:id', { preHandler: app.permit.guard(annotation as never) }, async () => 'ok'), { message })
    } else {
      t.throws(() => app.permit.guard(annotation as never), { message })
    }
  }
})

t.test('guard(false) is refused, because it would guard nothing', async t => {
  const { app } = await guardedApp(t)
  t.throws(() => app.permit.guard(false as never), { code: 'FST_PERMIT_ANNOTATION' })
})

t.test('a config with a misspelled permit stops the app, because the route would be open', async t => {
  for (const name of ['permt', 'Permit', 'permits', 'premit', 'pernit']) {
    const { app } = await guardedApp(t)
    t.throws(() => app.get('/tasks', { config: { [name]: 'task:create' } }, async () => 'ok'), {
      code: 'FST_PERMIT_ANNOTATION',
      message: `the config of GET /tasks has "${name}" but no "permit", so the route would not be guarded. Did you mean config: { permit: … }?`
    }, name)
  }
})

t.test('such a name is accepted beside an annotation, or beside permit: false; and so are names that only look similar', async t => {
  const { app } = await guardedApp(t)
  app.get('/guarded', { config: { permits: 3, permit: 'task:create' } as object }, async () => 'ok')
  app.get('/public', { config: { permits: 3, permit: false } as object }, async () => 'ok')
  app.get('/others', { config: { emit: true, limit: 3, permission: 'x', permissive: true, rateLimit: {} } as object }, async () => 'ok')
  t.equal((await app.inject('/guarded')).statusCode, 401)
  t.equal((await app.inject('/public')).statusCode, 200)
  t.equal((await app.inject('/others')).statusCode, 200)
})

t.test('an annotation beside the config, where it has no effect, stops the app', async t => {
  const { app } = await guardedApp(t)
  t.throws(() => app.get('/tasks', { permit: 'task:create' } as object, async () => 'ok'), {
    code: 'FST_PERMIT_ANNOTATION', message: 'GET /tasks has "permit" beside its config, where it has no effect; write config: { permit: … }'
  })
  t.throws(() => app.route({ method: 'GET', url: '/tasks', permit: false, handler: async () => 'ok' } as never), { message: /beside its config/ })
})

t.test('the result of a function is not a template, even if it looks like one in another spelling', async t => {
  t.same((await asked(t, () => ({ action: 'a', resource: 'task::id' }))).questions, [{ action: 'a', resource: taskOf(':id') }])
  t.same((await asked(t, { action: 'a', resource: () => 'task::id' })).questions, [{ action: 'a', resource: taskOf(':id') }])
})

t.test('a permission that is not in the embedded policy is logged when the app is ready, with a suggestion; the app starts', async t => {
  const sink = logSink('warn')
  const app = fastifyFor(t, { logger: sink.logger })
  await app.register(permit, {
    policy: { resources: { task: { actions: { create: {}, list: {} } } }, roles: { admin: { permissions: ['task:create'] } }, users: { ann: {} }, role_assignments: [{ user: 'ann', role: 'admin' }] },
    user: byHeader
  })
  const told: unknown[] = []
  const tell = (message: unknown) => told.push(message)
  subscribe('tracing:fastify-permit:check:start', tell)
  t.teardown(() => unsubscribe('tracing:fastify-permit:check:start', tell))
  app.get('/a', { config: { permit: 'task:creat' } }, async () => 'ok')
  app.get('/b/:id', { config: { permit: { anyOf: ['task:list', { action: 'create', resource: 'tsk:{id}' }] } } }, async () => 'ok')
  app.get('/c', { preHandler: app.permit.guard('note:read') }, async () => 'ok')
  app.get('/d', { config: { permit: 'task:create' } }, async () => 'ok')
  app.get('/e', { config: { permit: () => 'task:lsit' } }, async () => 'ok')
  await app.ready()
  t.same(sink.lines.map(({ msg }) => msg), [
    "permit: GET /a requires 'task:creat', which no user can have: action 'creat' is not defined on resource type 'task' (did you mean 'create'?)",
    "permit: GET /b/:id requires 'tsk:create', which no user can have: resource type 'tsk' is not defined (did you mean 'task'?)",
    "permit: GET /c requires 'note:read', which no user can have: resource type 'note' is not defined (known here: 'task')"
  ])
  t.same(app.permit.stats().checks, { allowed: 0, denied: 0, failed: 0 }, 'it is nobody\'s question')
  t.same(told, [])
  t.equal((await app.inject({ url: '/a', headers: { 'x-user': 'ann' } })).statusCode, 403)
  t.equal((await app.inject({ url: '/d', headers: { 'x-user': 'ann' } })).statusCode, 200)
})

t.test('a PDP over the network is not asked about its policy', async t => {
  const sink = logSink('warn')
  const { app, pdp } = await guardedApp(t, {}, {}, { logger: sink.logger })
  app.get('/a', { config: { permit: 'task:creat' } }, async () => 'ok')
  await app.ready()
  t.same(sink.lines, [])
  t.same(pdp.questions, [])
})
