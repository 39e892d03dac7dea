// A PDP with a cache of its own: what was forgotten here is decided anew there, and nothing else is.
import t, { type Test } from 'tap'
import permit, { type PermitOptions } from '../../src/index.js'
import { FleetGenerations } from '../../src/decision/fleet-generations.js'
import { Generations } from '../../src/decision/generations.js'
import { RecentlyForgotten } from '../../src/decision/recently-forgotten.js'
import { fastifyFor, optionsFor, pdpFor } from '../support/app.js'
import { authzenPdpFor } from '../support/authzen-pdp.js'
import type { WireRequest } from '../support/fake-pdp.js'

/** A PDP that returns what it has once decided, unless it is asked to decide anew. */
function cachingPdp (decide: (user: string) => boolean) {
  const kept = new Map<string, boolean>()
  let anew = false
  return {
    sees: ({ headers }: WireRequest): boolean => {
      anew = headers['cache-control'] === 'no-cache'
      return false
    },
    answer (user: string, about: string): boolean {
      const key = `${user} ${about}`
      if (anew || !kept.has(key)) kept.set(key, decide(user))
      return kept.get(key) as boolean
    }
  }
}

async function appFor (t: Test, protocol: 'permit' | 'authzen', decide: (user: string) => boolean, more: Partial<PermitOptions> = {}) {
  const cache = cachingPdp(decide)
  const pdp = protocol === 'permit'
    ? await pdpFor(t, { intercept: cache.sees, decide: ({ user, resource }) => cache.answer(user.key, resource.key ?? '') })
    : await authzenPdpFor(t, { intercept: cache.sees, decide: ({ subject, resource }) => ({ decision: cache.answer(subject.id, resource.id) }) })
  const options: Partial<PermitOptions> = protocol === 'permit'
    ? optionsFor(pdp as Awaited<ReturnType<typeof pdpFor>>, { cache: {} })
    : { pdp: pdp.url, protocol, authzen: { discovery: false }, cache: {} }
  const app = fastifyFor(t)
  await app.register(permit, { ...options, ...more })
  return { app, pdp }
}

for (const protocol of ['permit', 'authzen'] as const) {
  t.test(`${protocol}: after invalidate, the PDP decides anew, alone and in a batch; for others it does not`, async t => {
    const allowed = new Set(['ann', 'bob', 'cid'])
    const { app } = await appFor(t, protocol, user => allowed.has(user))
    const ask = (...users: string[]) => Promise.all(users.map(user => app.permit.check(user, 'read', 'task:1')))
    t.same(await ask('ann', 'bob', 'cid'), [true, true, true])
    allowed.clear()
    app.permit.invalidate('ann')
    t.same(await ask('ann'), [false], 'by itself')
    app.permit.invalidate('bob')
    t.equal((await ask('bob', 'ann'))[0], false, 'beside another')
    t.same(await ask('cid'), [true], 'from the cache here')
    app.permit.invalidate()
    t.same(await ask('ann', 'bob', 'cid'), [false, false, false], 'everything')
  })
}

t.test('a question about nobody who was forgotten has no such header; one in a batch is enough', async t => {
  const { app, pdp } = await appFor(t, 'permit', () => true)
  const headers = () => pdp.requests.splice(0).map(request => request.headers['cache-control'])
  await app.permit.check('ann', 'read', 'task:1')
  t.same(headers(), [undefined])
  app.permit.invalidate('ann')
  await app.permit.check('bob', 'read', 'task:1')
  t.same(headers(), [undefined])
  await Promise.all(['bob', 'ann'].map(user => app.permit.check(user, 'read', 'task:2')))
  t.same(headers(), ['no-cache'])
  await app.permit.permissions('bob')
  t.same(headers(), ['no-cache'], 'a list may be about anybody')
})

t.test('AuthZEN: searches, plans and permissions are asked with it, too, and the name of the cache buster has a new value in each request', async t => {
  const { app, pdp } = await appFor(t, 'authzen', () => true, {
    authzen: { discovery: false, tenants: { relation: 'tenant' }, types: { '*': '{type}:{tenant}/*' }, cacheBuster: 'unseen' }, tenant: () => 'acme'
  })
  const task = { type: 'task', key: '1', tenant: 'acme' }
  const sent = async () => {
    // It has no searches, and each of these ends with its first request or its second.
    await app.permit.plan('ann', 'read', 'task', { tenant: 'acme' }).catch(() => {})
    await app.permit.searchUsers('read', task).toArray().catch(() => {})
    await app.permit.permissions('ann', { tenants: ['acme'], resources: ['task:1'] }).catch(() => {})
    await app.permit.check('ann', 'read', task, { context: { ip: '::1' } })
    return pdp.requests.splice(0).map(({ url, headers, body }) => ({ path: url.replace(/.*v1/, ''), cache: headers['cache-control'], context: (body as { context: Record<string, unknown> }).context }))
  }
  const before = await sent()
  t.same([...new Set(before.map(({ path }) => path))].sort(), ['/evaluation', '/search/action', '/search/resource', '/search/subject'])
  t.ok(before.every(({ cache, context }) => cache === undefined && context['unseen'] === undefined))
  app.permit.invalidate('ann')
  const after = await sent()
  t.same(after.map(({ path }) => path), before.map(({ path }) => path))
  t.ok(after.every(({ cache }) => cache === 'no-cache'))
  t.equal(new Set(after.map(({ context }) => context['unseen'])).size, after.length)
  t.match(after.at(-1)?.context, { ip: '::1', unseen: /^[\w-]{36}$/ })
  t.match(await app.permit.explain('ann', 'read', task, { context: { unseen: 'x' } }), { allow: false, code: 'reserved_context' })
})

t.test('a header of the app does not replace it', async t => {
  const { app, pdp } = await appFor(t, 'permit', () => true, { user: () => 'ann', headers: () => ({ 'Cache-Control': 'max-age=60', 'x-trace': '1' }) })
  app.get('/', { config: { permit: 'task:read' } }, async () => 'ok')
  app.permit.invalidate('ann')
  await app.inject('/')
  t.match(pdp.requests[0]?.headers, { 'cache-control': 'no-cache', 'x-trace': '1' })
})

t.test('what was forgotten is known for an hour, and bounded', t => {
  let now = 0
  const recent = new RecentlyForgotten<string>({ now: () => now })
  t.equal(recent.any || recent.has('ann'), false)
  recent.add('ann')
  t.same([recent.any, recent.has('ann'), recent.has('bob')], [true, true, false])
  now = 3_599_999
  t.equal(recent.has('ann'), true)
  now = 3_600_000
  t.same([recent.any, recent.has('ann')], [false, false])
  for (let index = 0; index < 9_999; index++) recent.add(String(index))
  t.equal(recent.has('ann'), false)
  recent.add('one more')
  t.equal(recent.has('ann'), true, 'rather too much than too little')
  t.end()
})

t.test('generations of one instance and of a fleet tell it', t => {
  for (const generations of [new Generations(), new FleetGenerations()]) {
    t.equal(generations.isRecentlyForgotten(), false)
    generations.invalidate('ann')
    t.same([generations.isRecentlyForgotten(), generations.isRecentlyForgotten('ann')], [true, true])
    generations.forget({ all: true })
    t.equal(generations.isRecentlyForgotten('bob'), true)
  }
  t.end()
})
