// For the same question the plugin and Permit's own SDK send equivalent requests, as a recorder between them and the PDP shows.
import Fastify from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import permit, { type CheckInput, type ContextInput, type ResourceInput, type UserInput } from '../../src/index.js'
import { recorderFor, type Recorded } from './recorder.js'
import { until } from '../support/replicas.js'
import { localPdp, sdkFor, TOKEN } from './support.js'

const POLICY = {
  resources: { task: { actions: { read: {}, write: {} }, roles: { owner: { permissions: ['write'] } } } },
  roles: { viewer: { permissions: ['task:read'] } },
  users: { ada: {} },
  tenants: { acme: {} },
  role_assignments: [{ user: 'ada', role: 'viewer', tenant: 'acme' }, { user: 'ada', role: 'owner', resource_instance: 'task:1' }]
}

async function bothClients (t: Test, options: { connections?: number } = {}) {
  const pdp = await localPdp(t, { policy: POLICY })
  const recorder = await recorderFor(t, pdp.url)
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(permit, { pdp: recorder.url, token: TOKEN, cache: false, readiness: false, ...options })
  // The look at boot has nothing to do with the SDK's wire, but for going where questions go.
  const boot: Recorded[] = []
  await until(() => boot.push(...recorder.take()) > 0)
  t.match(boot, [{ method: 'POST', url: '/allowed/bulk', body: [], status: 200 }])
  return { app, recorder, sdk: sdkFor(recorder.url) }
}

/** What the PDP reads of a request. */
function readByPdp ({ method, url, headers, body }: Recorded) {
  return {
    method,
    url,
    authorization: headers.authorization,
    contentType: headers['content-type']?.split(';')[0],
    // Asks for a fresh decision.
    cacheControl: headers['cache-control'],
    // Waits for facts; and statistics.
    waits: headers['x-wait-timeout'],
    language: headers['x-permit-sdk-language'],
    body
  }
}

interface Question { user: UserInput, action: string, resource: ResourceInput, context?: ContextInput }

const QUESTIONS: Record<string, Question> = {
  'a type': { user: 'ada', action: 'read', resource: 'task' },
  'an instance': { user: 'ada', action: 'write', resource: 'task:1' },
  'a tenant': { user: 'ada', action: 'read', resource: { type: 'task', tenant: 'acme' } },
  'a key with a colon': { user: 'ada', action: 'read', resource: { type: 'task', key: 'a:b', tenant: 'acme' } },
  'attributes of the resource': { user: 'ada', action: 'read', resource: { type: 'task', key: '1', attributes: { state: 'open', tags: ['a', 'b'], nested: { deep: [1, null] } } } },
  'attributes of the user': { user: { key: 'ada', email: 'ada@acme.com', attributes: { level: 3, remote: true } }, action: 'read', resource: 'task' },
  'a context': { user: 'ada', action: 'read', resource: 'task', context: { hour: 12, network: { ip: '10.0.0.1' } } },
  'an empty context': { user: 'ada', action: 'read', resource: 'task', context: {} },
  'letters of other alphabets': { user: 'Ада@пример.рф', action: 'read', resource: { type: 'task', key: '日本語' } }
}

for (const [name, { user, action, resource, context }] of Object.entries(QUESTIONS)) {
  t.test(`check: ${name}`, async t => {
    const { app, recorder, sdk } = await bothClients(t)
    const theirAnswer = await sdk.check(user as string, action, resource as string, context as Record<string, string>)
    const theirs = recorder.take()
    const ourAnswer = await app.permit.check(user, action, resource, { context })
    const ours = recorder.take()

    t.same(ours.map(readByPdp), theirs.map(readByPdp))
    t.match(ours, [{ method: 'POST', url: '/allowed', status: 200 }])
    t.equal(ourAnswer, theirAnswer)
  })
}

t.test('names of a user are sent in the spelling of the PDP, which also accepts that of the SDK', async t => {
  const { app, recorder, sdk } = await bothClients(t)
  await sdk.check({ key: 'ada', firstName: 'Ada', lastName: 'Lovelace' }, 'read', 'task')
  const [theirs] = recorder.take()
  await app.permit.check({ key: 'ada', firstName: 'Ada', lastName: 'Lovelace' }, 'read', 'task')
  const [ours] = recorder.take()
  t.match(theirs, { status: 200, body: { user: { key: 'ada', firstName: 'Ada', lastName: 'Lovelace' } } })
  t.match(ours, { status: 200, body: { user: { key: 'ada', first_name: 'Ada', last_name: 'Lovelace' } } })
})

t.test('bulkCheck: waiting checks are sent as one bare array, with items like in a single check', async t => {
  const { app, recorder, sdk } = await bothClients(t, { connections: 1 })
  const checks: CheckInput[] = [
    { action: 'read', resource: 'task' },
    { action: 'read', resource: { type: 'task', tenant: 'acme' } },
    { action: 'write', resource: 'task:1' },
    { action: 'write', resource: { type: 'task', key: '2', attributes: { state: 'open' } } }
  ]
  const theirAnswer = await sdk.bulkCheck(checks.map(({ action, resource }) => ({ user: 'ada', action, resource: resource as string })))
  const [theirs] = recorder.take()
  const ourAnswer = await app.permit.bulkCheck('ada', checks)
  const ours = recorder.take()
  t.same(ourAnswer, theirAnswer)
  t.same(ourAnswer, [false, true, true, false])

  t.match(theirs, { method: 'POST', url: '/allowed/bulk', status: 200 })
  // Whether the first leaves by itself, while all else waits, is the batcher's to choose; together they are what the SDK sends.
  t.same(ours.flatMap(({ body }) => body), theirs?.body)
  const batch = ours.find(({ url }) => url === '/allowed/bulk')
  t.ok(batch !== undefined, 'there was a batch')
  t.same({ ...readByPdp(batch as Recorded), body: undefined }, { ...readByPdp(theirs as Recorded), body: undefined })
})

t.test('permissions: the filters are the same, and only the empty context differs', async t => {
  const { app, recorder, sdk } = await bothClients(t)
  const theirAnswer = await sdk.getUserPermissions('ada', ['default', 'acme'], ['task:1'], ['task'])
  const [theirs] = recorder.take()
  const ourAnswer = await app.permit.permissions('ada', { tenants: ['default', 'acme'], resources: ['task:1'], resourceTypes: ['task'], attributes: true })
  const [ours] = recorder.take()
  t.same(ourAnswer, theirAnswer)
  t.match(theirs, { method: 'POST', url: '/user-permissions', status: 200 })
  t.same(readByPdp(ours as Recorded), { ...readByPdp(theirs as Recorded), body: { ...theirs?.body as object, context: {} } })
})

t.test('the SDK calls all-tenants without its token, so the PDP refuses it', async t => {
  const { recorder, sdk } = await bothClients(t)
  await t.rejects(sdk.checkAllTenants('ada', 'read', 'task'))
  // It puts what it means as headers and parameters into the body.
  t.match(recorder.take(), [{ method: 'POST', url: '/allowed/all-tenants', status: 401, headers: { authorization: undefined }, body: { headers: Object, params: Object } }])
})

t.test('the SDK calls OPA itself, on OPA\'s own port', async t => {
  const pdp = await localPdp(t, { policy: POLICY, opa: { port: 0 } })
  const recorder = await recorderFor(t, pdp.app.pdp.opaUrl ?? '')
  // It knows one port for OPA, 8181; the way around is an HTTP client of one's own, which it has an option for.
  const { axiosInstance: opaAxiosInstance } = sdkFor(pdp.url).config
  opaAxiosInstance.interceptors.request.use(config => ({ ...config, baseURL: `${recorder.url}/v1/data/permit/` }))
  const sdk = sdkFor(pdp.url, { opaAxiosInstance })
  t.equal(await sdk.check('ada', 'read', { type: 'task', tenant: 'acme' }, {}, { useOpa: true }), true)
  t.equal(await sdk.check('ada', 'read', 'task', {}, { useOpa: true }), false)
  t.match(recorder.take(), [
    { method: 'POST', url: '/v1/data/permit/root', status: 200, headers: { authorization: `Bearer ${TOKEN}` }, body: { input: { user: { key: 'ada' }, action: 'read' } } },
    { status: 200 }
  ])
})
