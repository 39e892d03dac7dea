// Whatever value a public call is given: an answer or an error of the package, whose status says whether the value or the app's code is wrong.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { permit as expressPermit } from '../../src/express/index.js'
import permit, { QueryError, type AppPermit, type PermitOptions, type Policy } from '../../src/index.js'
import { hidesContent } from '../../src/kit/is-record.js'
import { byHeader, fastifyFor } from '../support/app.js'
import { byHeader as byExpressHeader, silentLog } from '../support/express.js'
import { assertCounted } from '../support/counted.js'

const policy: Policy = {
  resources: { task: { actions: { create: {}, retrieve: {} } } },
  roles: { maker: { permissions: ['task:create'] } },
  users: { ann: {} },
  role_assignments: [{ user: 'ann', role: 'maker', tenant: 'default' }]
}

type Call = (...args: unknown[]) => unknown
type Face = Readonly<Record<string, Call>>

async function facesOf (t: Test, options: Partial<PermitOptions> = {}) {
  const app = fastifyFor(t)
  await app.register(permit, { policy, user: byHeader, ...options })
  const request = new Promise<unknown>(resolve => { app.get('/', async ({ permit }) => { resolve(permit); return 'ok' }) })
  await app.inject({ url: '/', headers: { 'x-user': 'ann' } })

  const authz = expressPermit({ policy, user: byExpressHeader, log: silentLog().log, ...options as object })
  const expressApp = express()
  expressApp.use(authz)
  const expressRequest = new Promise<unknown>(resolve => { expressApp.get('/', (request, response) => { resolve(request.permit); response.end() }) })
  const server = createServer(expressApp).listen(0, '127.0.0.1')
  t.teardown(async () => { server.close(); await authz.close() })
  await once(server, 'listening')
  await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, { headers: { 'x-user': 'ann', connection: 'close' } })
  return {
    apps: [app.permit, authz.permit] as unknown as Face[],
    requests: [await request, await expressRequest] as Face[],
    api: app.permit.api as unknown as Face,
    app: app.permit
  }
}

const ODD: readonly unknown[] = [
  undefined, null, '', ' ', ':', 'task:', ':1', 0, 7, NaN, true, 10n, Symbol('x'), [], ['task'], [null], {}, { type: '' }, { type: 7 }, { type: null }, { key: '1' },
  { type: 'task', id: '1' }, { type: 'task', key: '' }, { type: 'task', key: 7 }, { type: 'task:1' }, { type: 'task', tenant: '' }, { type: 'task', attributes: 7 },
  { tenant: '' }, { tenant: ['a'] }, { context: 7 }, { user: 'ann' }, { user: '', action: 'create', resource: 'task' }, { action: 'create' }, new Date(0), new Map(), () => 'task', /x/
]
const odd = fc.oneof(
  fc.constantFrom(...ODD),
  fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true, withSparseArray: true, withTypedArray: true })
)

/** The arguments that a call on a request takes, which are right; and which of them are values of the question, that may come from a client. */
const CALLS: Readonly<Record<string, { right: readonly unknown[], values: readonly number[] }>> = {
  check: { right: ['create', 'task', undefined], values: [0, 1] },
  assert: { right: ['create', 'task', undefined], values: [0, 1] },
  explain: { right: ['create', 'task', undefined], values: [0, 1] },
  bulkCheck: { right: [[{ action: 'create', resource: 'task' }], undefined], values: [0] },
  filter: { right: ['create', ['one'], () => 'task', undefined], values: [0, 1] },
  permissions: { right: [undefined], values: [] }
}

/** `answered`, or the status of the error. A raw error has none. */
async function outcome (call: () => unknown): Promise<unknown> {
  try {
    await call()
    return 'answered'
  } catch (error) {
    const { code, statusCode } = error as { code?: string, statusCode?: number }
    if (code === 'FST_PERMIT_FORBIDDEN') return 'answered'
    return code === 'FST_PERMIT_QUERY' || code === 'FST_PERMIT_MUTATION' || code === 'FST_PERMIT_ANNOTATION' ? statusCode : error
  }
}

function withArgument (args: readonly unknown[], index: number, value: unknown): unknown[] {
  return args.map((arg, at) => at === index ? value : arg)
}

t.test('an invalid value in a check on a request is the client\'s mistake, 400; an invalid option is the app\'s, 500', async t => {
  const { requests } = await facesOf(t)
  let refused = 0
  await assertCounted(fc.asyncProperty(fc.constantFrom(...requests), fc.constantFrom(...Object.entries(CALLS)), fc.nat(3), odd, async (face, [name, { right, values }], at, value) => {
    const index = at % right.length
    const found = await outcome(() => face[name]?.(...withArgument(right, index, value)))
    if (found === 'answered') return
    refused++
    // The values in an options object may come from the client; its names do not.
    const words = name === 'permissions' ? ['context', 'tenants', 'resources', 'resourceTypes'] : ['tenant', 'context']
    const isOptions = index === right.length - 1 && value instanceof Object && !Array.isArray(value) && Object.keys(value).every(word => words.includes(word)) &&
      // A Map hides its names, so they cannot be the client's.
      !hidesContent(value)
    const expected = values.includes(index) || (isOptions && typeof value === 'object') ? 400 : 500
    if (found !== expected) throw new Error(`${name}, argument ${index}: ${fc.stringify(value)} is ${String(found)}`)
  }), { numRuns: 1_000, examples: [[requests[0] as Face, ['check', CALLS.check as never], 2, new Map()]] }, () => {
    t.ok(refused > 150)
  })
})

t.test('on a request, invalid values in options get 400, unknown option names get 500', async t => {
  const { requests } = await facesOf(t)
  const cases: Array<[object, number]> = [
    [{ tenant: '' }, 400], [{ tenant: 7 }, 400], [{ tenant: ['a'] }, 400], [{ context: 'noon' }, 400], [{ context: 7, tenant: 'a' }, 400],
    [{ tenent: 'a' }, 500], [{ ip: '::1' }, 500], [{ user: 'bob' }, 500]
  ]
  for (const face of requests) {
    for (const [options, status] of cases) {
      for (const [name, { right }] of Object.entries(CALLS)) {
        if (name === 'permissions') continue
        t.equal(await outcome(() => face[name]?.(...withArgument(right, right.length - 1, options))), status, `${name}: ${JSON.stringify(options)}`)
      }
    }
    for (const [options, status] of [[{ tenants: 'a' }, 400], [{ resources: [7] }, 400], [{ context: 7 }, 400], [{ tenant: 'a' }, 500], [null, 500]] as const) {
      t.equal(await outcome(() => face.permissions?.(options)), status)
    }
  }
})

t.test('outside of a request every wrong argument is the app\'s mistake, 500, and never a raw error', async t => {
  const { apps, api, app } = await facesOf(t)
  await fc.assert(fc.asyncProperty(fc.constantFrom(...apps), fc.constantFrom(...Object.entries(CALLS)), fc.nat(4), odd, async (face, [name, { right }], at, value) => {
    const args = withArgument(['ann', ...right], at % (right.length + 1), value)
    const found = await outcome(() => face[name]?.(...args))
    if (found !== 'answered' && found !== 500) throw new Error(`${name}(${args.map(arg => fc.stringify(arg)).join(', ')}): ${String(found)}`)
  }), { numRuns: 1_000 })
  const mutations = Object.getOwnPropertyNames(Object.getPrototypeOf(api)).filter(name => name !== 'constructor')
  t.ok(mutations.length > 8)
  await fc.assert(fc.asyncProperty(fc.constantFrom(...mutations), fc.array(odd, { maxLength: 3 }), async (name, args) => {
    // A mutation that is awaited is a write.
    const found = await outcome(() => { api[name]?.(...args) })
    if (found !== 'answered' && found !== 500) throw new Error(`${name}(${args.map(arg => fc.stringify(arg)).join(', ')}): ${String(found)}`)
  }), { numRuns: 1_000 })
  const others: ReadonlyArray<[string, (value: unknown) => unknown]> = [
    ['write', value => app.write(value as never)], ['invalidate', value => app.invalidate(value as never)],
    ['guard', value => app.guard(value as never)], ['guard options', value => app.guard('task:create', value as never)]
  ]
  await fc.assert(fc.asyncProperty(fc.constantFrom(...others), odd, async ([name, call], value) => {
    const found = await outcome(() => call(value))
    if (found !== 'answered' && found !== 500) throw new Error(`${name}(${fc.stringify(value)}): ${String(found)}`)
  }), { numRuns: 500 })
})

t.test('the response tells the client what is wrong with its value', async t => {
  const app = fastifyFor(t)
  await app.register(permit, { policy, user: byHeader })
  app.get('/may', async ({ permit, query }) => permit.check('create', (query as { resource: string }).resource))
  app.get('/mays', async ({ permit, query }) => permit.bulkCheck([{ action: 'create', resource: (query as { resource: string }).resource }]))
  for (const [url, status, message] of [
    ['/may?resource=task', 200, undefined], ['/may', 400, /the resource is undefined; expected 'type'/], ['/may?resource=', 400, /resource/], ['/may?resource=task&resource=x', 400, /an object|an array/],
    ['/mays?resource=task:', 400, /expected 'type' or 'type:key'/]
  ] as const) {
    const answer = await app.inject({ url, headers: { 'x-user': 'ann' } })
    t.equal(answer.statusCode, status, url)
    if (message !== undefined) t.match(answer.json(), { code: 'FST_PERMIT_QUERY', message, statusCode: 400 })
  }
})

t.test('an invalid user or tenant from an option is the app\'s mistake, but an empty or repeated header is the client\'s', async t => {
  for (const [options, status] of [
    [{ user: () => 7 }, 500], [{ user: () => ({}) }, 500], [{ tenant: () => 7 }, 500], [{ tenant: () => '' }, 400], [{ tenant: () => ['a', 'b'] }, 400]
  ] as const) {
    const app = fastifyFor(t)
    await app.register(permit, { policy, user: byHeader, ...options as object })
    const names = ['check', 'assert', 'explain', 'bulkCheck', 'filter']
    for (const name of names) app.get(`/${name}`, async ({ permit }) => { await (permit as unknown as Face)[name]?.(...CALLS[name]?.right ?? []) })
    for (const name of names) {
      const { statusCode } = await app.inject({ url: `/${name}`, headers: { 'x-user': 'ann' } }).catch(() => ({ statusCode: 0 }))
      t.equal(statusCode, status, `${name}: ${fc.stringify(options)}`)
    }
  }
})

t.test('a bulk check accepts Permit\'s form, with a user in each check', async t => {
  const { app } = await facesOf(t)
  const checks = [
    { user: 'ann', action: 'create', resource: 'task' }, { user: 'bob', action: 'create', resource: 'task' },
    { user: { key: 'ann', attributes: { x: 1 } }, action: 'create', resource: { type: 'task', tenant: 'default' }, context: {} },
    { user: 'ann', action: 'create', resource: 'task', tenant: 'nowhere' }
  ]
  t.same(await app.bulkCheck(checks), [true, false, true, false])
  t.same(await app.bulkCheck(checks, { tenant: 'nowhere' }), [false, false, true, false])
  t.same(await app.bulkCheck([]), [])
  const call = app.bulkCheck.bind(app) as unknown as (...args: unknown[]) => Promise<unknown>
  await t.rejects(call([{ action: 'create', resource: 'task' }]), { code: 'FST_PERMIT_QUERY', message: /check 0 names no user; expected bulkCheck\(user/ })
  await t.rejects(call(checks, { ip: '::1' }), { message: /"ip" is not known/ })
  await t.rejects(call(checks, {}, { timeout: 1 }), { message: /too many arguments/ })
  await t.rejects(call('ann', checks), { code: 'FST_PERMIT_QUERY', message: /check 0: "user" is not known.*app\.permit\.bulkCheck\(\[\{ user, action, resource \}\]\)/ })
})

t.test('an invalid annotation stays a 500', async t => {
  const app = fastifyFor(t)
  await app.register(permit, { policy, user: byHeader })
  const wrong = [['/a', () => undefined], ['/b', () => ({})], ['/c', () => ({ type: 'task', key: 7 })]] as const
  for (const [url, resource] of wrong) app.get(url, { config: { permit: { action: 'create', resource: resource as never } } }, async () => 'in')
  for (const [url] of wrong) {
    t.equal((await app.inject({ url, headers: { 'x-user': 'ann' } }).catch(() => ({ statusCode: 0 }))).statusCode, 500, url)
  }
  t.equal(new QueryError('x').statusCode, 500)
  t.type((app.permit as AppPermit).check, 'function')
})
