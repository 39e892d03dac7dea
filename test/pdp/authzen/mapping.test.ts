// How questions become evaluations for PDPs that have no tenants, no types and few characters: ids, tenants, objects for types, contexts.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import permit, { type Evaluation, type PermitOptions } from '../../../src/index.js'
import { createQuery } from '../../../src/decision/query.js'
import { isDecision, Mapping, type MappingSettings, type WrittenEvaluation } from '../../../src/pdp/authzen/mapping.js'
import { byHeader, fastifyFor } from '../../support/app.js'
import { authzenPdpFor } from '../../support/authzen-pdp.js'

const OPENFGA: MappingSettings = { ids: 'encode', tenants: 'ids', types: { '*': '{type}:{tenant}/*' }, longest: { subject: 512, resource: 256 }, reserved: ['subject_*', 'resource_*', 'action_*'] }

const STORE = '01HVMMBCMGZNT3SED4Z17ECXCA'

async function appFor (t: Test, options: Partial<PermitOptions>, decide?: (evaluation: Evaluation) => { decision: boolean }) {
  const pdp = await authzenPdpFor(t, decide === undefined ? {} : { decide })
  const app = fastifyFor(t)
  await app.register(permit, { pdp: pdp.url, cache: false, user: byHeader, timeout: 10_000, ...options })
  const asked = () => pdp.requests.flatMap(({ url, body }) => url.endsWith('/evaluation') ? [body as Evaluation] : [])
  return { app, pdp, asked }
}

/** Texts as users and clients choose them, with everything that ids are put together with. */
const text = fc.oneof(
  fc.string({ unit: fc.constantFrom('a', 'b', '/', ':', '#', '@', '*', '%', '2', 'F', 'A', ' ', '\n', '\0', 'é', '💥', '{', '}'), minLength: 1, maxLength: 6 }),
  fc.constantFrom('a%2Fb', 'a/b', '%2A', '*', 'acme', 'acme/7', '7', '{tenant}', '{type}', '$&', '__proto__', 'constructor'),
  fc.string({ minLength: 1, maxLength: 8 })
)

t.test('two questions about different tenants, keys or users never become one, whatever their texts', async t => {
  const mapping = new Mapping(OPENFGA)
  const question = fc.record({ user: text, tenant: text, key: fc.option(text, { nil: undefined }) })
  const idsOf = ({ user, tenant, key }: { user: string, tenant: string, key: string | undefined }) => {
    const { anyOf: [written] } = mapping.write(createQuery(user, 'read', { type: 'document', tenant, ...(key === undefined ? {} : { key }) }))
    if (written === undefined || isDecision(written)) return undefined
    const { subject, resource } = written
    // As OpenFGA has them: without properties.
    return `${JSON.parse(subject).id} ${JSON.parse(resource).type}:${JSON.parse(resource).id}`
  }
  let written = 0
  fc.assert(fc.property(fc.array(question, { minLength: 2, maxLength: 12 }), questions => {
    const seen = new Map<string, object>()
    for (const each of questions) {
      const ids = idsOf(each)
      if (ids === undefined) continue
      written++
      assert.match(ids, /^[^:#@\s]+ [^:#@\s]+:[^:#@\s]+$/, 'ids that OpenFGA accepts')
      // Copies, because some of the records have no prototype.
      assert.deepEqual({ ...seen.get(ids) ?? each }, { ...each })
      seen.set(ids, each)
    }
  }), { numRuns: 500, examples: [[[{ user: 'a', tenant: 'a', key: 'b/c' }, { user: 'a', tenant: 'a/b', key: 'c' }, { user: 'a', tenant: 'a', key: '*' }, { user: 'a', tenant: 'a', key: undefined }]]] })
  t.ok(written >= 4, `${written}`)
})

t.test('an id is read as the key that was written, and an id of another tenant or of a type as none', async t => {
  const mapping = new Mapping(OPENFGA)
  fc.assert(fc.property(text, text, text, (tenant, key, other) => {
    const { anyOf: [written] } = mapping.write(createQuery(key, 'read', { type: 'document', tenant, key }))
    if (written === undefined || isDecision(written)) return
    assert.equal(mapping.userKey(written.subjectId), key)
    assert.equal(mapping.resourceKey(written.resourceId, 'document', tenant), key)
    if (other !== tenant) assert.equal(mapping.resourceKey(written.resourceId, 'document', other), undefined)
  }), { numRuns: 500, examples: [['acme', 'a:b', 'acme/a'], ['a/b', 'ada@example.com', 'a']] })
  for (const id of ['acme/*', 'acme/', 'acme', '*', 'acme/%', 'acme/%2a', 'acme/%41', 'acme/a b', 'other/7']) t.equal(mapping.resourceKey(id, 'document', 'acme'), undefined, id)
})

t.test('an email address is a user, and a key with a colon a resource', async t => {
  const { app, asked } = await appFor(t, { authzen: { ids: 'encode' } })
  t.equal(await app.permit.check('ada@example.com', 'read', 'document:a:b c'), true)
  t.match(asked(), [{ subject: { id: 'ada%40example.com' }, resource: { type: 'document', id: 'a%3Ab%20c' } }])
})

t.test('a key without an id is a denial, not an outage: 403, or what onDenied makes of it', async t => {
  const ids = { write: (key: string) => /^[a-z0-9]+$/.test(key) ? key : undefined, read: (id: string) => id }
  for (const [options, status] of [[{}, 403], [{ onDenied: (_request: unknown, _reply: unknown, denial?: { code?: string }) => denial?.code === 'impossible_id' ? Object.assign(new Error('nothing there'), { statusCode: 404 }) : undefined }, 404]] as const) {
    const { app, pdp } = await appFor(t, { authzen: { ids, discovery: false }, ...options as object })
    app.get('/documents/:id', { config: { permit: { action: 'read', resource: 'document:{id}' } } }, async () => 'ok')
    const ask = (id: string, user = 'ann') => app.inject({ url: `/documents/${id}`, headers: { 'x-user': user } }).then(answer => answer.statusCode)
    t.same(await Promise.all([ask('a:b'), ask('7'), ask('7', 'a@b'), ask('A'), ask('8')]), [status, 200, status, status, 200])
    t.notMatch(JSON.stringify(pdp.requests.map(({ body }) => body)), 'a:b')
    t.match(await app.permit.explain('ann', 'read', 'document:a:b'), { allow: false, code: 'impossible_id' })
  }
  const { app } = await appFor(t, { pdp: undefined, authzen: { preset: 'openfga', store: STORE } } as never).catch(() => ({ app: undefined }))
  t.equal(app, undefined, 'a preset needs a PDP')
})

t.test('an id that is longer than the PDP accepts is a denial', async t => {
  const { app, asked } = await appFor(t, { authzen: { longest: { subject: 10, resource: 12 } } })
  t.same([await app.permit.check('ann12', 'read', 'document:123'), await app.permit.check('ann123', 'read', 'document:1'), await app.permit.check('ann', 'read', 'document:1234')], [true, false, false])
  t.equal(asked().length, 1)
})

t.test('functions of the app that throw, or return no text, never allow', async t => {
  for (const write of [() => { throw new Error('of the app') }, () => 7, () => null, async () => 'x']) {
    const { app } = await appFor(t, { authzen: { ids: { write: write as never, read: id => id } } })
    await t.rejects(app.permit.check('ann', 'read', 'document:1'), { code: 'FST_PERMIT_QUERY', message: /authzen\.ids\.write/ })
  }
})

t.test('without authzen.tenants, a question that names a tenant is refused: at boot where it is known, otherwise when it is asked', async t => {
  const { app, asked } = await appFor(t, { protocol: 'authzen' })
  await t.rejects(app.permit.check('ann', 'read', { type: 'document', tenant: 'acme' }), { code: 'FST_PERMIT_QUERY', message: /authzen\.tenants/ })
  await t.rejects(app.permit.check('ann', 'read', 'document', { tenant: 'acme' }), { code: 'FST_PERMIT_QUERY', message: /authzen\.tenants/ })
  await t.rejects(app.permit.searchResources('ann', 'read', 'document', { tenant: 'acme' }).toArray(), { code: 'FST_PERMIT_QUERY', message: /authzen\.tenants/ })
  await t.rejects(app.permit.plan('ann', 'read', 'document', { tenant: 'acme' }), { code: 'FST_PERMIT_QUERY', message: /authzen\.tenants/ })
  t.equal(await app.permit.check('ann', 'read', 'document'), true)
  t.equal(asked().length, 1)
  const named = await appFor(t, { protocol: 'authzen' })
  named.app.get('/', { config: { permit: { action: 'read', resource: 'document', tenant: 'acme' } } }, async () => 'ok')
  await t.rejects(async () => named.app.ready(), { code: 'FST_PERMIT_ANNOTATION', message: /GET \/ .*a tenant is named.*"authzen\.tenants"/ })
})

t.test('the tenant goes where the option says: into properties, ids or the context', async t => {
  const cases = [
    ['properties', { id: '7', properties: { tenant: 'acme' } }, {}],
    ['ids', { id: 'acme/7' }, {}],
    [{ context: 'organization' }, { id: '7' }, { organization: 'acme' }]
  ] as const
  for (const [tenants, resource, context] of cases) {
    const { app, asked } = await appFor(t, { tenant: () => 'acme', authzen: { tenants } })
    app.get('/:id', { config: { permit: { action: 'read', resource: 'document:{id}' } } }, async () => 'ok')
    t.equal((await app.inject({ url: '/7', headers: { 'x-user': 'ann' } })).statusCode, 200)
    t.match(asked()[0], { resource, context })
  }
})

t.test('a user of one tenant gets nothing of another, with any texts for tenants and keys', async t => {
  // As OpenFGA decides: by type and id alone.
  const may = new Set(['user:ada document:acme/7', 'user:ada document:acme/*'])
  const decide = ({ subject, resource }: Evaluation) => ({ decision: may.has(`${subject.type}:${subject.id} ${resource.type}:${resource.id}`) })
  const { app } = await appFor(t, { authzen: { preset: 'openfga', store: STORE } as never, readiness: false }, decide)
  t.equal(await app.permit.check('ada', 'read', { type: 'document', key: '7', tenant: 'acme' }), true)
  t.equal(await app.permit.check('ada', 'read', { type: 'document', tenant: 'acme' }), true)
  await fc.assert(fc.asyncProperty(text, fc.option(text, { nil: undefined }), async (tenant, key) => {
    const expected = tenant === 'acme' && (key === undefined || key === '7')
    assert.equal(await app.permit.check('ada', 'read', { type: 'document', tenant, ...(key === undefined ? {} : { key }) }), expected)
  }), { numRuns: 200, examples: [['acme/7', undefined], ['acm', 'e/7'], ['other', '7'], ['acme', '*'], ['acme', undefined], ['', '7'].map(part => part || 'x') as [string, string]] })
})

t.test('by a relation, a resource is allowed in a tenant only if the PDP says yes to both questions; a no of either is a no, alone and in bursts', async t => {
  const [YES, NO, ERROR] = [{ decision: true }, { decision: false }, { decision: false, context: { error: { status: 500 } } }]
  const answers = [YES, NO, ERROR]
  const meaning = [true, false, 'FST_PERMIT_UNAVAILABLE']
  // The key is the two answers: about the user, and about the tenant.
  const decide = ({ subject, action, resource }: Evaluation) => {
    if (resource.type === 'org') return { decision: resource.id === 'acme' && action.name === 'read_document' }
    if (subject.type === 'org') return action.name === 'owner' && subject.id === 'acme' ? answers[Number(resource.id[1])]! : NO
    return action.name === 'read' ? answers[Number(resource.id[0])]! : NO
  }
  const authzen = { tenants: { relation: 'owner', type: 'org' }, types: { '*': { resource: 'org:{tenant}', action: '{action}_{type}' } } }
  for (const discovery of [true, false]) {
    const { app, asked } = await appFor(t, { authzen: { ...authzen, discovery }, tenant: () => 'acme', connections: 2, breaker: false }, decide)
    const check = ({ own, of, tenant }: { own: number, of: number, tenant: string }) => app.permit.check('ada', 'read', { type: 'document', key: `${own}${of}`, tenant })
      .catch((error: { code: string }) => error.code)
    const expected = ({ own, of, tenant }: { own: number, of: number, tenant: string }) => tenant !== 'acme' || own === 1 || of === 1 ? false : own === 0 && of === 0 ? true : meaning[2]
    const all = [0, 1, 2].flatMap(own => [0, 1, 2].flatMap(of => ['acme', 'other'].map(tenant => ({ own, of, tenant }))))
    for (const each of all) t.equal(await check(each), expected(each), JSON.stringify(each))
    await fc.assert(fc.asyncProperty(fc.array(fc.constantFrom(...all), { maxLength: 30 }), async questions => {
      assert.deepEqual(await Promise.all(questions.map(check)), questions.map(expected))
    }), { numRuns: 30 })
    t.match(await app.permit.explain('ada', 'read', { type: 'document', key: '01', tenant: 'acme' }), { allow: false, code: 'other_tenant' })
    t.equal(await app.permit.check('ada', 'read', { type: 'document', tenant: 'acme' }), true)
    t.equal(await app.permit.check('ada', 'read', { type: 'document', tenant: 'other' }), false)
    app.get('/:id', { config: { permit: { action: 'read', resource: 'document:{id}' } } }, async () => 'ok')
    const statusOf = (id: string) => app.inject({ url: `/${id}`, headers: { 'x-user': 'ada' } }).then(answer => answer.statusCode)
    t.same([await statusOf('00'), await statusOf('01'), await statusOf('02')], [200, 403, 503])
    t.match(asked().filter(({ subject, resource }) => subject.type === 'org' && resource.id === '00')[0], { subject: { id: 'acme' }, action: { name: 'owner' } })
  }
})

t.test('a question that the PDP cannot decide does not fail those that are sent beside it in another batch', async t => {
  const { app } = await appFor(t, { authzen: { tenants: 'properties' }, connections: 1, breaker: false }, ({ resource: { properties } }) =>
    properties?.['tenant'] === 'broken' ? { decision: false, context: { error: { status: 500 } } } as never : { decision: properties?.['tenant'] === 'acme' })
  // The same user and resource, so each tenant is a batch of its own.
  const burst = ['acme', 'broken', 'other', 'broken', 'acme'].map(tenant => app.permit.check('ada', 'read', { type: 'document', key: '7', tenant }).catch((error: { code: string }) => error.code))
  t.same(await Promise.all(burst), [true, 'FST_PERMIT_UNAVAILABLE', false, 'FST_PERMIT_UNAVAILABLE', true])
})

t.test('tenants by a relation need objects of their own for types, and nothing that goes around the relation', async t => {
  const tenants = { relation: 'owner' }
  for (const [authzen, message] of [
    [{ tenants, types: { '*': 'folder:{type}' } }, /expected/],
    [{ tenants, map: (evaluation: Evaluation) => evaluation }, /"authzen\.map"; expected one of them/],
    [{ tenants, inheritFromType: true }, /"authzen\.inheritFromType" is true/],
    [{ tenants, plans: 'cerbos' as const }, /"authzen\.plans"/]
  ] as const) {
    await t.rejects(appFor(t, { authzen: authzen as never }), { code: 'FST_PERMIT_OPTIONS', message })
  }
  const { app } = await appFor(t, { authzen: { tenants } })
  app.post('/documents', { config: { permit: 'document:create' } }, async () => 'ok')
  await t.rejects(async () => app.ready(), { code: 'FST_PERMIT_ANNOTATION', message: /whole type "document"/ })
})

t.test('a context from a request cannot have names that the PDP understands, unless they are named', async t => {
  const { app, asked } = await appFor(t, { protocol: 'authzen', authzen: { named: ['resource_owner'] } })
  app.post('/', { config: { permit: { action: 'read', resource: 'document', context: (request: { body: unknown }) => request.body as never } } }, async () => 'ok')
  const ask = (body: object) => app.inject({ method: 'POST', url: '/', headers: { 'x-user': 'ann' }, payload: body }).then(answer => answer.statusCode)
  for (const body of [{ resource_tenant: 'other' }, { subject_department: 'x' }, { action_x: 1 }, { a: 1, subject_: null }]) t.equal(await ask(body), 403, JSON.stringify(body))
  t.equal(asked().length, 0)
  t.equal(await ask({ resource_owner: 'ann', ip: '::1', resources: 1 }), 200)
  t.match(await app.permit.explain('ann', 'read', 'document', { context: { resource_tenant: 'other' } }), { allow: false, code: 'reserved_context' })
  const byContext = await appFor(t, { authzen: { tenants: { context: 'organization' }, reserved: [] } })
  t.equal(await byContext.app.permit.check('ann', 'read', { type: 'document', tenant: 'acme' }, { context: { organization: 'other' } }), false)
  t.equal(byContext.asked().length, 0)
  const cerbos = await appFor(t, { authzen: 'cerbos', readiness: false })
  t.equal(await cerbos.app.permit.check('ann', 'read', 'document', { context: { 'cerbos.scope': 'other' } }), false)
})

t.test('a question about a type is one about the object that stands for it', async t => {
  const { app, asked } = await appFor(t, { tenant: () => 'a c/me', authzen: { ids: 'encode', tenants: 'ids', types: { document: 'folder:{tenant}', task: { resource: 'tenant:{tenant}', action: '{type}_{action}' } } } })
  app.get('/documents', { config: { permit: 'document:create' } }, async () => 'ok')
  app.get('/tasks', { config: { permit: 'task:create' } }, async () => 'ok')
  for (const url of ['/documents', '/tasks']) t.equal((await app.inject({ url, headers: { 'x-user': 'ann' } })).statusCode, 200)
  t.match(asked(), [
    { action: { name: 'create' }, resource: { type: 'folder', id: 'a%20c%2Fme' } },
    { action: { name: 'task_create' }, resource: { type: 'tenant', id: 'a%20c%2Fme' } }
  ])
  await t.rejects(app.permit.check('ann', 'read', 'note'), { code: 'FST_PERMIT_QUERY', message: /whole type "note".*"authzen\.types"/ })
})

t.test('an annotation about a type that nothing stands for stops the app at boot', async t => {
  for (const authzen of [{ types: { folder: 'folder:root' } }, { tenants: 'ids' as const }]) {
    const { app } = await appFor(t, { authzen })
    app.get('/documents/:id', { config: { permit: { action: 'read', resource: 'document:{id}' } } }, async () => 'ok')
    app.post('/documents', { config: { permit: { anyOf: ['folder:create', 'document:create'] } } }, async () => 'ok')
    await t.rejects(async () => app.ready(), { code: 'FST_PERMIT_ANNOTATION', message: /POST \/documents cannot be asked: it is about the whole type "(document|folder)"/ })
  }
})

t.test('with inheritFromType, what is allowed on the type is allowed on a resource, alone and in a batch', async t => {
  const decide = ({ resource }: Evaluation) => ({ decision: ['acme/*', 'other/7'].includes(resource.id) })
  for (const discovery of [true, false]) {
    const { app } = await appFor(t, { authzen: { ids: 'encode', tenants: 'ids', types: { '*': '{type}:{tenant}/*' }, inheritFromType: true, discovery }, connections: 2 }, decide)
    const questions = [['acme', '1'], ['other', '7'], ['other', '8'], ['third', '7'], ['acme', undefined], ['other', undefined]] as const
    const checks = questions.map(([tenant, key]) => ({ action: 'read', resource: { type: 'document', tenant, ...(key === undefined ? {} : { key }) } }))
    const expected = [true, true, false, false, true, false]
    t.same(await app.permit.bulkCheck('ann', checks), expected)
    for (const [index, { action, resource }] of checks.entries()) t.equal(await app.permit.check('ann', action, resource), expected[index])
  }
})

t.test('with inheritFromType, an error about a resource is no denial, and a yes about its type counts', async t => {
  const answers: Record<string, object> = { 'acme/1': { decision: false, context: { error: { status: 500 } } }, 'acme/*': { decision: false }, 'other/1': { decision: false, context: { error: { status: 500 } } }, 'other/*': { decision: true } }
  const { app } = await appFor(t, { authzen: { tenants: 'ids', types: { '*': '{type}:{tenant}/*' }, inheritFromType: true } }, ({ resource }) => answers[resource.id] as { decision: boolean })
  const question = (tenant: string) => app.permit.check('ann', 'read', { type: 'document', key: '1', tenant })
  await t.rejects(question('acme'), { code: 'FST_PERMIT_UNAVAILABLE', cause: { failure: 'undecided' } })
  t.equal(await question('other'), true)
  const both = await Promise.allSettled([question('acme'), question('other'), question('acme'), question('other')])
  t.same(both.map(answer => answer.status === 'fulfilled' ? answer.value : 'none'), ['none', true, 'none', true])
})

t.test('a mapping without options sends what it always did', async t => {
  const { anyOf: [written] } = new Mapping({}).write(createQuery('ann', 'read', 'task:7'))
  t.same(JSON.parse((written as WrittenEvaluation).resource), { type: 'task', id: '7', properties: { tenant: 'default' } })
})
