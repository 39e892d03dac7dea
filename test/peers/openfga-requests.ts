// What requests to a real OpenFGA carry: headers of the app's requests, and what makes OpenFGA decide anew when it caches checks.
import type { FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import permit, { type PermitOptions } from '../../src/index.js'
import { startProxy } from '../cerbos/proxy.js'
import { byHeader, fastifyFor, logSink } from '../support/app.js'
import { openfgaWithDocuments, TOKEN } from './openfga-server.js'

type Server = Awaited<ReturnType<typeof openfgaWithDocuments>>

const CACHING = ['--check-query-cache-enabled', '--check-query-cache-ttl', '1h']
const DOCUMENT = { type: 'document', key: '7', tenant: 'acme' }
const EDITOR = { user: 'user:ada%40example.com', relation: 'editor', object: 'tenant:acme' }
const VIEWER = { user: 'user:bob%40example.com', relation: 'viewer', object: 'tenant:acme' }

async function permitFor (t: Test, { url, store, model }: Server, options: Partial<PermitOptions> = {}) {
  const app = fastifyFor(t)
  await app.register(permit, { pdp: url, token: TOKEN, timeout: 10_000, cache: { ttl: 3_600_000 }, authzen: { preset: 'openfga', store, model }, ...options })
  return app.permit
}

t.test('OpenFGA that caches checks, and tuples that are deleted', async t => {
  const server = await openfgaWithDocuments(t, { flags: CACHING })
  const { store, call } = server
  const change = (kind: 'writes' | 'deletes', ...tuples: object[]) => call(`/stores/${store}/write`, { [kind]: { tuple_keys: tuples } })
  const asked = { subject: { type: 'user', id: 'ada%40example.com' }, action: { name: 'create' }, resource: { type: 'document', id: 'acme/7', properties: { tenant: 'acme' } }, context: {} }
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json', 'cache-control': 'no-cache' }
  const byHand = async () => {
    const answer = await fetch(`${server.url}/stores/${store}/access/v1/evaluation`, { method: 'POST', headers: { ...headers, 'openfga-authorization-model-id': server.model }, body: JSON.stringify(asked) })
    return (await answer.json() as { decision: boolean }).decision
  }
  const consistent = async (consistency: string) => {
    const body = { authorization_model_id: server.model, tuple_key: { user: EDITOR.user, relation: 'create', object: 'document:acme/7' }, context: { resource_tenant: 'acme' }, consistency }
    return (await call(`/stores/${store}/check`, body) as { allowed?: unknown }).allowed === true
  }

  t.test('a check after invalidate() is decided anew, though OpenFGA ignores no-cache', async t => {
    const app = await permitFor(t, server)
    const check = (user: string, action: string) => app.check(`${user}@example.com`, action, DOCUMENT)
    t.same([await check('ada', 'create'), await check('bob', 'read'), await byHand()], [true, true, true])
    await change('deletes', EDITOR, VIEWER)
    t.same([await byHand(), await consistent('MINIMIZE_LATENCY')], [true, true], 'OpenFGA has its old answer')
    t.equal(await check('ada', 'create'), true, 'nothing was forgotten here')
    app.invalidate('ada@example.com')
    t.equal(await check('ada', 'create'), false, 'alone')
    t.same([await byHand(), await consistent('HIGHER_CONSISTENCY')], [true, false], 'as by its own API with HIGHER_CONSISTENCY, which AuthZEN does not have')
    app.invalidate('bob@example.com')
    t.same(await Promise.all([check('ada', 'read'), check('bob', 'read'), check('ada', 'create')]), [false, false, false], 'in a batch')
    await change('writes', EDITOR, VIEWER)
    app.invalidate()
    t.same(await Promise.all([check('ada', 'read'), check('bob', 'read'), check('ada', 'create')]), [true, true, true], 'after everything was forgotten')
    t.equal(await byHand(), false, 'its old answer is still there')
  })

  t.test('with tenants by a relation, and what a type gives, both questions are decided anew', async t => {
    const relation = { user: 'tenant:acme', relation: 'tenant', object: 'document:r9' }
    await change('writes', relation)
    const byRelation = await permitFor(t, server, { authzen: { preset: 'openfga', store, tenants: { relation: 'tenant' } } })
    const inheriting = await permitFor(t, server, { authzen: { preset: 'openfga', store, inheritFromType: true } })
    const ask = async () => [
      await byRelation.check('bob@example.com', 'read', { type: 'document', key: 'r9', tenant: 'acme' }), await inheriting.check('bob@example.com', 'read', { ...DOCUMENT, key: 'new' })
    ]
    t.same(await ask(), [true, true])
    await change('deletes', relation, VIEWER)
    for (const app of [byRelation, inheriting]) app.invalidate()
    t.same(await ask(), [false, false])
    await change('writes', VIEWER)
  })

  t.test('so are lists and plans', async t => {
    const app = await permitFor(t, server)
    const lists = async () => [
      (await app.searchResources('bob@example.com', 'read', 'document', { tenant: 'acme' }).toArray()).map(({ key }) => key).includes('7'),
      (await app.searchUsers('read', DOCUMENT).toArray()).includes('bob@example.com'),
      await app.searchActions('bob@example.com', DOCUMENT).toArray(),
      Object.keys(await app.permissions('bob@example.com', { tenants: ['acme'], resources: ['document:7'] })),
      (await app.plan('bob@example.com', 'read', 'document', { tenant: 'acme' })).kind
    ]
    t.same(await lists(), [true, true, ['read'], ['document:7'], 'some'])
    await change('deletes', VIEWER)
    app.invalidate('bob@example.com')
    t.same(await lists(), [false, false, [], [], 'none'])
    await change('writes', VIEWER)
    app.invalidate('bob@example.com')
    t.same(await lists(), [true, true, ['read'], ['document:7'], 'some'])
  })

  t.test('a client cannot name what makes a question new', async t => {
    const app = await permitFor(t, server)
    t.match(await app.explain('ada@example.com', 'create', DOCUMENT, { context: { permit_cache_buster: 'x' } }), { allow: false, code: 'reserved_context' })
  })
})

t.test('headers of the app\'s requests, as OpenFGA gets them', async t => {
  const server = await openfgaWithDocuments(t)
  const { store, model, call } = server
  // A model in which nobody may do anything.
  const { authorization_model_id: closed = '' } = await call(`/stores/${store}/authorization-models`, {
    schema_version: '1.1',
    type_definitions: [
      { type: 'user' },
      { type: 'tenant', relations: { editor: { this: {} } }, metadata: { relations: { editor: { directly_related_user_types: [{ type: 'user' }] } } } },
      { type: 'document', relations: { read: { this: {} } }, metadata: { relations: { read: { directly_related_user_types: [{ type: 'user' }] } } } }
    ]
  })

  async function appFor (t: Test, options: Partial<PermitOptions>) {
    const proxy = await startProxy(t, server)
    const log = logSink()
    const app = fastifyFor(t, { logger: log.logger })
    await app.register(permit, { pdp: proxy.url, token: TOKEN, timeout: 10_000, cache: false, user: byHeader, tenant: () => 'acme', ...options })
    app.get('/documents/:id', { config: { permit: { action: 'read', resource: 'document:{id}' } } }, async request => {
      await request.permit.plan('read', 'document')
      return 'a document'
    })
    await app.ready()
    const sent = proxy.exchanges.splice(0)
    t.ok(sent.length > 0 && sent.every(({ headers }) => headers['traceparent'] === undefined), 'the boot has no request')
    const get = (headers: Record<string, string>) => app.inject({ url: '/documents/7', headers: { 'x-user': 'bob@example.com', ...headers } })
    return { app, get, sent: () => proxy.exchanges.splice(0), warnings: () => log.lines.filter(({ level }) => (level as number) >= 40) }
  }
  const byRequest: PermitOptions['headers'] = ({ headers }) => ({
    traceparent: headers['traceparent'] as string | undefined, 'openfga-authorization-model-id': headers['x-model'] as string | undefined
  })

  t.test('a check has those of its request, the id of the request, and those of the preset; plans and checks of the app have none of a request', async t => {
    const { app, get, sent } = await appFor(t, { authzen: { preset: 'openfga', store, model }, headers: ({ headers }) => ({ traceparent: headers['traceparent'] as string | undefined }) })
    t.equal((await get({ traceparent: '00-1' })).statusCode, 200)
    const [check, ...plan] = sent()
    t.match(check, { path: `/stores/${store}/access/v1/evaluation`, headers: { traceparent: '00-1', 'x-request-id': /^req-/, authorization: `Bearer ${TOKEN}`, 'openfga-authorization-model-id': model } })
    t.match(plan, [{ path: `/stores/${store}/access/v1/search/resource`, headers: { traceparent: undefined, authorization: `Bearer ${TOKEN}`, 'openfga-authorization-model-id': model } }])
    await app.permit.check('bob@example.com', 'read', DOCUMENT)
    t.match(sent(), [{ headers: { traceparent: undefined, 'openfga-authorization-model-id': model } }])
  })

  t.test('a batch has those of the first request that has some', async t => {
    const { get, sent } = await appFor(t, { connections: 1, authzen: { preset: 'openfga', store, model }, headers: ({ headers }) => ({ traceparent: headers['traceparent'] as string | undefined }) })
    const users = Array.from({ length: 20 }, (_, index) => String(index))
    const answers = await Promise.all(users.map(user => get({ 'x-user': `${user}@example.com`, traceparent: user })))
    t.same(answers.map(({ statusCode }) => statusCode), users.map(() => 403))
    const checks = sent().filter(({ path }) => path.includes('/evaluation'))
    const subjectsOf = ({ question }: typeof checks[number]) => JSON.stringify(question).match(/\d+%40example/g) ?? []
    t.ok(checks.some(({ path }) => path.endsWith('/evaluations')), 'in batches')
    for (const check of checks) t.equal(`${String(check.headers['traceparent'])}%40example`, subjectsOf(check)[0])
  })

  t.test('no request chooses another model than the option does; without the option, a header of a request reaches OpenFGA', async t => {
    const fixed = await appFor(t, { authzen: { preset: 'openfga', store, model }, headers: byRequest })
    t.equal((await fixed.get({ 'x-model': closed })).statusCode, 200)
    t.match(fixed.sent()[0]?.headers, { 'openfga-authorization-model-id': model })
    t.match(fixed.warnings(), [{ msg: /the function in the option "headers" failed/, err: { message: /openfga-authorization-model-id/ } }])
    const open = await appFor(t, { authzen: { preset: 'openfga', store }, headers: byRequest })
    t.same([(await open.get({ 'x-model': model })).statusCode, (await open.get({ 'x-model': closed })).statusCode], [200, 403])
  })

  t.test('a function that throws costs its headers, not the check', async t => {
    const { get, sent, warnings } = await appFor(t, { authzen: { preset: 'openfga', store, model }, headers: () => { throw new Error('no trace') } })
    t.same([(await get({})).statusCode, (await get({})).statusCode], [200, 200])
    t.match(sent()[0]?.headers, { traceparent: undefined, 'openfga-authorization-model-id': model })
    t.match(warnings(), [{ err: { message: 'no trace' } }])
    t.equal(warnings().length, 1)
  })
})

t.test('questions that OpenFGA cannot decide, with decisions in the cache', async t => {
  const server = await openfgaWithDocuments(t)
  const log = logSink()
  const app = fastifyFor(t, { logger: log.logger })
  await app.register(permit, {
    pdp: server.url, token: TOKEN, timeout: 10_000, cache: { ttl: 3_600_000, staleIfError: 7_200_000 }, user: byHeader, tenant: () => 'acme', authzen: { preset: 'openfga', store: server.store, model: server.model }
  })
  for (const action of ['read', 'create', 'vanish']) {
    const context = ({ headers }: FastifyRequest) => JSON.parse(headers['x-context'] as string | undefined ?? '{}') as Record<string, never>
    app.get(`/${action}/:id`, { config: { permit: { action, resource: 'document:{id}', context } } }, async () => 'ok')
  }
  await app.ready()
  const get = (url: string, user = 'ada', context?: string) => app.inject({ url, headers: { 'x-user': `${user}@example.com`, ...(context === undefined ? {} : { 'x-context': context }) } })
  const statuses = async (...urls: string[]) => (await Promise.all(urls.map(url => get(url)))).map(({ statusCode }) => statusCode)

  t.test('are 503 alone, in a burst and afterwards, and never a denial from the cache', async t => {
    t.same(await statuses('/vanish/7'), [503])
    for (let round = 0; round < 3; round++) t.same(await statuses('/read/7', '/vanish/7', '/create/7', '/vanish/8', '/read/8'), [200, 503, 200, 503, 403], `round ${round}`)
    t.same(await statuses('/vanish/7'), [503])
  })

  t.test('the log has the words of OpenFGA with action and type, once, and the client gets none of them', async t => {
    const { statusCode, headers, body } = await get('/vanish/7')
    t.match({ statusCode, retry: headers['retry-after'] }, { statusCode: 503, retry: '30' })
    t.notMatch(body, 'document#vanish')
    const words = log.lines.filter(({ level, msg }) => level === 40 && /the PDP rejects this question/.test(String(msg)))
    t.match(words, [{ permit: { reason: /relation 'document#vanish' not found/, action: 'vanish', type: 'document' } }])
    t.equal(words.length, 1)
  })

  t.test('what no JSON text can carry, and what is nested too deep, is not sent, and the questions beside it are decided', async t => {
    const deep = `{"a":${'{"a":'.repeat(126)}1${'}'.repeat(126)}}`
    const answers = await Promise.all([get('/read/7', 'bob'), get('/read/7', 'bob', '{"a":"\\ud800"}'), get('/create/7', 'bob'), get('/read/7', 'bob', deep), get('/read/8', 'bob')])
    t.same(answers.map(({ statusCode }) => statusCode), [200, 503, 403, 503, 403])
  })
})
