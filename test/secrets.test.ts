// Promise 6: the token, the secret of the updates and attribute values are in nothing that is logged, answered or thrown.
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import t, { type Test } from 'tap'
import permit, { type PermitOptions } from '../src/index.js'
import { createLocalPdp } from '../src/server/index.js'
import { fastifyFor, logSink, pdpFor } from './support/app.js'
import { sendJson } from './support/fake-pdp.js'

const TOKEN = 'token-5ecret-0001'
const UPDATES = 'updates-5ecret-0002'
const ATTRIBUTE = 'attribute-5ecret-0003'
const LEAK = /5ecret/

/** Everything that anybody could print of an error, with all that it was caused by. */
function everythingOf (error: unknown, depth = 0): string {
  if (typeof error !== 'object' || error === null || depth > 5) return String(error)
  const own = Object.getOwnPropertyNames(error).map(name => inspect((error as Record<string, unknown>)[name], { depth: 8, showHidden: true }))
  const { message, stack, cause } = error as Error
  return [message, stack, String(error), inspect(error, { depth: 8, showHidden: true }), JSON.stringify(error), JSON.stringify({ ...error }), ...own, everythingOf(cause, depth + 1)].join('\n')
}

const attributes = { salary: ATTRIBUTE, nested: { deep: [ATTRIBUTE] } }
const user = { key: 'ann', attributes }
const resource = { type: 'task', key: '1', attributes }

/** An app at `trace` that asks `pdp` in every way, and all that came out of it. */
async function exercise (t: Test, options: Partial<PermitOptions>) {
  const log = logSink('trace')
  const out: string[] = []
  const app = fastifyFor(t, { logger: log.logger })
  await app.register(permit, {
    token: TOKEN, cache: false, timeout: 300, updates: options.policy === undefined ? { path: '/permit/updates', secret: UPDATES } : undefined, user: request => request.headers['x-user'] === undefined ? undefined : user, ...options
  })
  app.get('/guarded', { config: { permit: { action: 'read', resource: () => resource, context: () => attributes } } }, async () => 'ok')
  app.get('/handler', { config: { permit: false } }, async request => request.permit.assert('read', resource, { context: attributes }))
  app.get('/logged', { config: { permit: false } }, async request => {
    const error: unknown = await request.permit.assert('read', resource).catch((error: unknown) => error)
    request.log.error({ err: error }, 'as an app logs it')
    throw error
  })
  const url = await app.listen({ port: 0 })
  for (const path of ['/guarded', '/handler', '/logged']) {
    for (const headers of [{ 'x-user': 'ann' }, {}] as Array<Record<string, string>>) {
      const answer = await fetch(url + path, { headers })
      out.push(`${answer.status} ${JSON.stringify([...answer.headers])} ${await answer.text()}`)
    }
  }
  for (const secret of [UPDATES, 'wrong']) {
    const answer = await fetch(`${url}/permit/updates`, { method: 'POST', headers: { 'x-permit-updates-secret': secret }, body: JSON.stringify({ reports: 7, attributes, token: TOKEN }) })
    out.push(`${answer.status} ${await answer.text()}`)
  }
  const { api } = app.permit
  const attempts: Array<() => unknown> = [
    () => app.permit.check(user, 'read', resource, { context: attributes }),
    () => app.permit.explain(user, 'read', resource, { context: attributes }),
    () => app.permit.permissions(user, { context: attributes }),
    () => app.permit.bulkCheck(user, [{ action: 'read', resource }, { action: 'write', resource }]),
    () => app.permit.write(api.createTenant({ key: 'other', attributes }), api.syncUser({ key: 'ann', attributes })),
    () => app.permit.write(api.createResourceInstance({ resource: 'nothing', key: '1', attributes })),
    () => api.syncUser({ key: '', attributes } as never),
    () => api.syncUser({ key: 'ann', attributes: ATTRIBUTE } as never),
    () => app.permit.check({ key: 'ann', attributes: ATTRIBUTE as never }, 'read', 'task'),
    () => app.permit.check({ key: 'ann', attributes: { a: 1n, salary: ATTRIBUTE } }, 'read', 'task'),
    () => app.permit.check(user, 'read', { type: '', attributes }),
    () => app.permit.health(),
    () => app.permit.stats()
  ]
  for (const attempt of attempts) {
    try {
      out.push(JSON.stringify(await attempt() ?? null))
    } catch (error) {
      out.push(everythingOf(error))
      app.log.error({ err: error }, 'as an app logs it')
    }
  }
  await app.close()
  out.push(log.text())
  t.ok(log.lines.length > 10)
  return out
}

function assertClean (t: Test, out: readonly string[], name: string): void {
  const leak = out.find(text => LEAK.test(text))
  t.equal(leak, undefined, name)
}

t.test('no fault of a PDP reveals a secret', async t => {
  const elsewhere: unknown[] = []
  const other = createServer((request, response) => { elsewhere.push(request.headers); response.end() }).listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.teardown(() => new Promise(resolve => other.close(resolve)))
  const location = `http://127.0.0.1:${(other.address() as AddressInfo).port}/allowed`
  const faults: Record<string, Parameters<typeof pdpFor>[1]> = {
    allow: { decide: () => true },
    deny: { decide: () => false },
    401: { token: 'another' },
    '500 that echoes': { intercept: ({ body }, response) => { sendJson(response, 500, { detail: body }); return true } },
    '422 that echoes': { intercept: (_request, response) => { sendJson(response, 422, { error_code: 'X', message: `bad value ${ATTRIBUTE} of ${ATTRIBUTE}` }); return true } },
    '200 that echoes': { intercept: ({ body }, response) => { sendJson(response, 200, { allow: 'true', body }); return true } },
    'half JSON that echoes': { intercept: (_request, response) => { response.writeHead(200, { 'content-type': 'application/json' }).end(`{"allow":${ATTRIBUTE}`); return true } },
    redirect: { intercept: (_request, response) => { response.writeHead(307, { location }).end(); return true } },
    reset: { intercept: (_request, response) => { response.destroy(); return true } },
    timeout: { intercept: ({ url }, response) => { if (!url.startsWith('/allowed')) response.destroy(); return true } }
  }
  for (const [name, fault] of Object.entries(faults)) {
    const pdp = await pdpFor(t, { token: TOKEN, ...fault })
    assertClean(t, await exercise(t, { pdp: pdp.url, ...(name === 'timeout' ? { timeout: 20 } : {}) }), name)
    await pdp.close()
  }
  t.same(elsewhere, [], 'and no other host was asked')
  const pdp = await pdpFor(t)
  await pdp.close()
  assertClean(t, await exercise(t, { pdp: pdp.url }), 'refused')
})

t.test('a local PDP with trace logs, and an app that uses it, reveal none either', async t => {
  const log = logSink('trace')
  const policy = {
    resources: { task: { actions: { read: {}, write: {} } } },
    roles: { viewer: { permissions: ['task:read'] } },
    user_sets: { rich: { conditions: { 'user.salary': { equals: 'much' } } } },
    set_rules: [{ user_set: 'rich', permission: 'task:write', resource_set: 'task' }],
    users: { ann: { attributes } }
  }
  const pdp = createLocalPdp({ token: TOKEN, policy, logger: log.logger, reportTo: [{ url: 'http://127.0.0.1:1/x?5ecret', headers: { 'x-permit-updates-secret': UPDATES } }] })
  t.teardown(() => pdp.close())
  const url = await pdp.listen({ port: 0 })
  assertClean(t, await exercise(t, { pdp: url }), 'the app')
  for (const [path, body] of [['/allowed', `{"user":"${ATTRIBUTE}"}`], ['/allowed', `{${ATTRIBUTE}`], ['/facts/users', `{"key":"x","attributes":"${ATTRIBUTE}"}`]] as const) {
    for (const authorization of [`Bearer ${TOKEN}`, `Bearer ${TOKEN}x`]) {
      const answer = await fetch(url + path, { method: 'POST', headers: { authorization, 'content-type': 'application/json' }, body })
      t.ok(answer.status >= 400)
      t.notMatch(await answer.text(), LEAK)
    }
  }
  await pdp.close()
  t.ok(log.lines.length > 10)
  t.notMatch(log.text(), LEAK)
})

t.test('an embedded PDP reveals no attribute values', async t => {
  assertClean(t, await exercise(t, { token: undefined, policy: { resources: { task: { actions: { read: {} } } }, users: { ann: { attributes } } } }), 'embedded')
})

t.test('an app that does not start reveals no secret in its error', async t => {
  const wrong: object[] = [
    { pdp: 'http://127.0.0.1:1', token: `${TOKEN} ` }, { pdp: `http://x:${TOKEN}@h`, token: 't' }, { pdp: 'http://x', token: 't', updates: { path: '/x', secret: `${UPDATES}\n` } }, { pdp: 'http://x', token: TOKEN, updates: { path: '/x', secret: TOKEN } },
    { pdp: 'http://x', token: TOKEN, cache: { ttl: UPDATES } }, { policy: { users: { ann: { attributes: ATTRIBUTE } } } }, { policy: { users: { ann: { attributes, [ATTRIBUTE.slice(0, 9)]: ATTRIBUTE } } } },
    { policy: { user_sets: { a: { conditions: { 'user.x': { 'no-such-operator': ATTRIBUTE } } } } } }
  ]
  for (const options of wrong) {
    const log = logSink('trace')
    const app = fastifyFor(t, { logger: log.logger })
    app.register(permit, options as never)
    const error: unknown = await app.ready().then(() => undefined, (error: unknown) => error)
    t.ok(error instanceof Error)
    t.notMatch(everythingOf(error), LEAK)
    t.notMatch(log.text(), LEAK)
  }
  for (const options of [{ token: `${TOKEN} ` }, { token: TOKEN, reportTo: [{ url: UPDATES }] }, TOKEN]) {
    try {
      createLocalPdp(options as never)
      t.fail('expected an error')
    } catch (error) {
      t.notMatch(everythingOf(error), LEAK)
    }
  }
})
