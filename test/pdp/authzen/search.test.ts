// Searches at AuthZEN PDPs: what they are asked, what is believed, and where there is no complete list.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import permit, { type AppPermit, type PermitOptions } from '../../../src/index.js'
import { byHeader, fastifyFor } from '../../support/app.js'
import { authzenPdpFor, type AuthZenPdpOptions } from '../../support/authzen-pdp.js'
import { sendJson } from '../../support/fake-pdp.js'
import { assertCounted } from '../../support/counted.js'

async function appFor (t: Pick<Test, 'teardown'>, url: string, options: Partial<PermitOptions> = {}): Promise<AppPermit> {
  const app = fastifyFor(t as Test)
  await app.register(permit, { pdp: url, protocol: 'authzen', user: byHeader, timeout: 10_000, breaker: false, ...options, authzen: { tenants: 'properties', ...options.authzen as object } } as PermitOptions)
  await app.ready()
  return app.permit
}

interface Asked { page: { token?: string, limit: number }, [part: string]: unknown }

/** A PDP whose searches answer as the test says. */
function searching (answer: (body: Asked, path: string) => unknown): AuthZenPdpOptions {
  return {
    intercept (request, response) {
      if (!request.url.includes('/search/')) return false
      sendJson(response, 200, answer(request.body as Asked, request.url))
      return true
    }
  }
}

t.test('each search sends what a check would send, without the id that is searched, and follows the tokens', async t => {
  const asked: Array<[path: string, body: unknown]> = []
  const pdp = await authzenPdpFor(t, searching((body, path) => {
    asked.push([path, body])
    const item = path.endsWith('action') ? { name: `a${asked.length}` } : { type: path.endsWith('subject') ? 'user' : 'task', id: `${asked.length}` }
    return { page: { next_token: body.page.token === undefined ? 'second' : '', count: 1, total: 2 }, results: [item] }
  }))
  const app = await appFor(t, pdp.url)
  const user = { key: 'ann', attributes: { level: 3 } }
  t.same(await app.searchResources(user, 'read', 'task', { tenant: 'acme', context: { hour: 9 } }).toArray(), [{ type: 'task', key: '1', tenant: 'acme' }, { type: 'task', key: '2', tenant: 'acme' }])
  t.same(await app.searchActions(user, { type: 'task', key: '7', attributes: { open: true } }).toArray(), ['a3', 'a4'])
  t.same(await app.searchUsers('read', 'task:7', { limit: 5 }).toArray(), ['5', '6'])
  const subject = { type: 'user', id: 'ann', properties: { level: 3 } }
  const page = { limit: 1_000 }
  const first = { subject, action: { name: 'read' }, resource: { type: 'task', properties: { tenant: 'acme' } }, context: { hour: 9 } }
  t.same(asked, [
    ['/access/v1/search/resource', { ...first, page }],
    ['/access/v1/search/resource', { ...first, page: { ...page, token: 'second' } }],
    ['/access/v1/search/action', { subject, resource: { type: 'task', id: '7', properties: { open: true, tenant: 'default' } }, context: {}, page }],
    ['/access/v1/search/action', { subject, resource: { type: 'task', id: '7', properties: { open: true, tenant: 'default' } }, context: {}, page: { ...page, token: 'second' } }],
    ['/access/v1/search/subject', { subject: { type: 'user' }, action: { name: 'read' }, resource: { type: 'task', id: '7', properties: { tenant: 'default' } }, context: {}, page: { limit: 5 } }],
    ['/access/v1/search/subject', { subject: { type: 'user' }, action: { name: 'read' }, resource: { type: 'task', id: '7', properties: { tenant: 'default' } }, context: {}, page: { limit: 5, token: 'second' } }]
  ])
})

t.test('pages that repeat, do not end, or cannot be believed are an error, and never a list', async t => {
  const task = (id: unknown, more: object = {}) => ({ type: 'task', id, ...more })
  let count = 0
  const endless = { code: 'FST_PERMIT_SEARCH', statusCode: 500 }
  const unbelievable = { code: 'FST_PERMIT_UNAVAILABLE', statusCode: 503 }
  const cases: Array<[what: string, answer: () => unknown, error: { code: string }]> = [
    ['the same token for ever', () => ({ results: [task('1')], page: { next_token: 'again' } }), endless],
    ['two tokens in turn', () => ({ results: [], page: { next_token: `${count++ % 2}` } }), endless],
    ['new tokens without results for ever', () => ({ results: [], page: { next_token: `${count++}` } }), endless],
    ['new tokens with the same results for ever', () => ({ results: [task('1')], page: { next_token: `${count++}` } }), endless],
    ['a count that is another', () => ({ results: [task('1')], page: { next_token: '', count: 2 } }), unbelievable],
    ['a total that is more than there is', () => ({ results: [task('1')], page: { next_token: '', total: 2 } }), unbelievable],
    ['a total without a token, as if all were there', () => ({ results: [task('1')], page: { count: 1, total: 102 } }), unbelievable],
    ['a token that is a number', () => ({ results: [], page: { next_token: 7 } }), unbelievable],
    ['a page that is none', () => ({ results: [], page: [] }), unbelievable],
    ['a page that is a text', () => ({ results: [], page: 'last' }), unbelievable],
    ['no results', () => ({ page: { next_token: '' } }), unbelievable],
    ['results that are no list', () => ({ results: {} }), unbelievable],
    ['another type', () => ({ results: [{ type: 'folder', id: '1' }] }), unbelievable],
    ['no type', () => ({ results: [{ id: '1' }] }), unbelievable],
    ['an id that is no text', () => ({ results: [task(1)] }), unbelievable],
    ['an empty id', () => ({ results: [task('')] }), unbelievable],
    ['a result that is null', () => ({ results: [null] }), unbelievable],
    ['no object', () => [], unbelievable],
    ['more than may be read', () => ({ results: Array.from({ length: 40_000 }, (_, index) => task(`${index} ${'x'.repeat(30)}`)) }), unbelievable],
    ['more than 10,000', () => ({ results: Array.from({ length: 900 }, () => task(`${count++}`)), page: { next_token: `${count}` } }), endless]
  ]
  for (const [what, answer, error] of cases) {
    count = 0
    const pdp = await authzenPdpFor(t, searching(answer))
    await t.rejects((await appFor(t, pdp.url)).searchResources('ann', 'read', 'task').toArray(), error, what)
    t.ok(pdp.requests.length < 1_100, `${what}: ${pdp.requests.length} requests`)
  }
  const without = await authzenPdpFor(t, searching(() => ({ results: [task('1'), task('*'), task('2', { properties: { tenant: 'other' } }), task('1')] })))
  t.same((await (await appFor(t, without.url)).searchResources('ann', 'read', 'task').toArray()).map(({ key }) => key), ['1'], 'once, of this tenant, and not the reserved key')
})

t.test('whatever a PDP answers, a search gives what was answered or an error', async t => {
  let answers: unknown[] = []
  const pdp = await authzenPdpFor(t, searching(({ page: { token = '0' } }) => answers[Number(token)] ?? { results: [] }))
  const app = await appFor(t, pdp.url, { timeout: 5_000 })
  const result = fc.oneof({ weight: 6, arbitrary: fc.nat(9).map(id => ({ type: 'task', id: String(id) })) }, fc.jsonValue())
  const page = fc.record({ next_token: fc.oneof({ weight: 4, arbitrary: fc.constantFrom('', '0', '1', '2', '3') }, fc.jsonValue()), count: fc.option(fc.nat(3), { nil: undefined }), total: fc.option(fc.nat(9), { nil: undefined }) }, { requiredKeys: [] })
  const answer = fc.oneof({ weight: 8, arbitrary: fc.record({ results: fc.array(result, { maxLength: 3 }), page: fc.oneof({ weight: 5, arbitrary: page }, fc.jsonValue()) }, { requiredKeys: ['results'] }) }, fc.jsonValue())
  let complete = 0
  await assertCounted(fc.asyncProperty(fc.array(answer, { minLength: 1, maxLength: 4 }), async given => {
    answers = given
    let found: string[]
    try {
      found = (await app.searchResources('ann', 'read', 'task').toArray()).map(({ key }) => key)
    } catch (error) {
      if (!['FST_PERMIT_SEARCH', 'FST_PERMIT_UNAVAILABLE'].includes((error as { code: string }).code)) throw error
      return
    }
    complete++
    // A slow and obvious client.
    const expected = new Set<string>()
    for (let token = '0'; token !== '';) {
      const { results, page } = (answers[Number(token)] ?? { results: [] }) as { results: Array<{ id: string }>, page?: { next_token?: string } | null }
      for (const { id } of results) expected.add(id)
      token = page?.next_token ?? ''
    }
    assert.deepEqual(found, [...expected])
  }), { numRuns: 300 }, runs => {
    t.ok(complete > 10, `${complete} of ${runs}`)
  })
})

t.test('a map that gives other ids, or makes parts depend on the key, is refused; another one is searched by', async t => {
  const pdp = await authzenPdpFor(t, searching((_body, path) => ({ results: path.endsWith('action') ? [{ name: 'read' }] : [{ type: path.endsWith('subject') ? 'account' : 'task', id: 'x1' }] })))
  const typed = await appFor(t, pdp.url, { authzen: { map: evaluation => ({ ...evaluation, subject: { ...evaluation.subject, type: 'account' } }) } })
  t.same(await typed.searchUsers('read', 'task').toArray(), ['x1'])
  t.same((await typed.searchResources('ann', 'read', 'task').toArray()).map(({ key }) => key), ['x1'])
  t.same(await typed.searchActions('ann', 'task').toArray(), ['read'])
  const refused = { code: 'FST_PERMIT_SEARCH', message: /authzen\.map/ }
  const prefixed = await appFor(t, pdp.url, { authzen: { map: evaluation => ({ ...evaluation, subject: { type: 'account', id: `x${evaluation.subject.id}` }, resource: { ...evaluation.resource, id: `x${evaluation.resource.id}` } }) } })
  await t.rejects(prefixed.searchUsers('read', 'task').toArray(), refused)
  await t.rejects(prefixed.searchResources('ann', 'read', 'task').toArray(), refused)
  const depending = await appFor(t, pdp.url, { authzen: { map: (evaluation, query) => ({ ...evaluation, subject: { type: 'account', id: evaluation.subject.id }, context: { about: query.resource.key ?? null, by: query.user.key } }) } })
  await t.rejects(depending.searchUsers('read', 'task').toArray(), refused)
  await t.rejects(depending.searchResources('ann', 'read', 'task').toArray(), refused)
})

t.test('what a PDP does not have is said', async t => {
  const bare = await authzenPdpFor(t)
  const app = await appFor(t, bare.url)
  await t.rejects(app.searchResources('ann', 'read', 'task').toArray(), { code: 'FST_PERMIT_UNSUPPORTED', statusCode: 500, message: /no search for resources/ })
  await t.rejects(app.tenants('ann').toArray(), { code: 'FST_PERMIT_UNSUPPORTED', message: /no tenants/ })
  const announced = await authzenPdpFor(t, {
    metadata: url => ({ policy_decision_point: url, access_evaluation_endpoint: `${url}/access/v1/evaluation`, search_subject_endpoint: `${url}/who` }),
    intercept (request, response) {
      if (request.url !== '/who') return false
      sendJson(response, 200, { results: [{ type: 'user', id: 'ann' }] })
      return true
    }
  })
  const partly = await appFor(t, announced.url)
  t.same(await partly.searchUsers('read', 'task').toArray(), ['ann'], 'its own path')
  await t.rejects(partly.searchActions('ann', 'task').toArray(), { code: 'FST_PERMIT_UNSUPPORTED', message: /no search for actions/ })
})
