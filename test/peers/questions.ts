// The questions, faults and bursts that every PDP behind AuthZEN must stand: the same for each.
import type { Test } from 'tap'
import permit, { type PermitOptions, type UserInput } from '../../src/index.js'
import { byHeader, fastifyFor, logSink } from '../support/app.js'
import { startProxy } from '../cerbos/proxy.js'

/** One PDP. In `acme`, ada@example.com may create and read documents, and bob@example.com may read them; nobody may do anything elsewhere. */
export interface Peer {
  readonly name: string
  readonly url: string
  readonly options: (url: string) => Partial<PermitOptions>
  readonly user: (key: string) => UserInput
  /** Whether an action that no policy has is an error, and not a denial. */
  readonly refusesUnknownActions: boolean
}

export async function ask (t: Test, { url, options, user, refusesUnknownActions }: Peer): Promise<void> {
  async function appFor (t: Test, at = url) {
    const log = logSink()
    const app = fastifyFor(t, { logger: log.logger })
    await app.register(permit, {
      ...options(at), cache: false, timeout: 10_000, user: request => user(byHeader(request) as string), tenant: request => request.headers['x-tenant']
    })
    app.post('/documents', { config: { permit: 'document:create' } }, async () => 'created')
    app.get('/documents/:id', { config: { permit: { action: 'read', resource: 'document:{id}' } } }, async () => 'a document')
    await app.ready()
    const statusOf = async (key: string, tenant: string, id?: string) => (await app.inject({
      method: id === undefined ? 'POST' : 'GET', url: id === undefined ? '/documents' : `/documents/${encodeURIComponent(id)}`, headers: { 'x-user': key, 'x-tenant': tenant }
    })).statusCode
    return { app, statusOf, lines: () => log.lines.filter(({ level }) => (level as number) >= 40) }
  }

  t.test('a newcomer gets 200 and 403, and the log is silent at boot', async t => {
    const { app, statusOf, lines } = await appFor(t)
    t.same(lines(), [])
    t.same(await Promise.all([statusOf('ada@example.com', 'acme'), statusOf('bob@example.com', 'acme'), statusOf('ada@example.com', 'acme', '7'), statusOf('bob@example.com', 'acme', '7')]), [200, 403, 200, 200])
    t.match(await app.permit.health(), { ok: true })
  })

  t.test('no tenant gets what another one has, however it and the key are written', async t => {
    const { statusOf } = await appFor(t)
    for (const tenant of ['other', 'acme/7', 'acm', 'acme%2F7', 'acme*', 'ACME', 'tenant:acme', 'acme#editor', 'default', 'acme '].map(encodeURI)) {
      if (tenant === 'acme') continue
      t.same([await statusOf('ada@example.com', tenant), await statusOf('ada@example.com', tenant, '7'), await statusOf('ada@example.com', tenant, 'acme/7')], [403, 403, 403], tenant)
    }
  })

  t.test('whatever a visitor writes as a key or a name is a denial, and no outage', async t => {
    const { app, statusOf } = await appFor(t)
    for (const key of ['a:b', 'a#b', 'a@b', 'a b', '*', 'acme/*', '..', '%', '\t', 'é💥', 'x'.repeat(400)]) {
      t.equal(await app.permit.check(user(key), 'create', { type: 'document', tenant: 'acme' }), false, key)
      t.equal(await statusOf('nobody@example.com', 'acme', key).then(status => [403, 404, 414].includes(status)), true, key)
    }
    t.equal(await app.permit.check(user('nobody@example.com'), 'read', { type: 'document', key: 'x'.repeat(400), tenant: 'acme' }), false)
    t.equal(app.permit.stats().checks?.failed, 0)
  })

  t.test('a context cannot replace the tenant', async t => {
    const { app } = await appFor(t)
    t.equal(await app.permit.check(user('ada@example.com'), 'create', { type: 'document', tenant: 'other' }, { context: { resource_tenant: 'acme', 'cerbos.scope': 'acme' } }), false)
  })

  t.test('a burst gets the answers of single questions', async t => {
    const { app } = await appFor(t)
    const questions = Array.from({ length: 400 }, (_, index) => {
      const [key, tenant, action] = [['ada', 'bob', 'eve'][index % 3], ['acme', 'other'][index % 2], ['create', 'read'][index % 5 % 2]] as [string, string, string]
      return { key: `${key}@example.com`, tenant, action, expected: tenant === 'acme' && (key === 'ada' || (key === 'bob' && action === 'read')) }
    })
    const answers = await Promise.all(questions.map(({ key, tenant, action }) => app.permit.check(user(key), action, { type: 'document', key: '7', tenant })))
    t.same(answers, questions.map(({ expected }) => expected))
    t.ok((app.permit.stats().batches?.requests ?? 0) > 0, 'in batches')
  })

  t.test('a question that the PDP cannot decide never allows, alone and in a burst, and the others are decided', async t => {
    const { app } = await appFor(t)
    const check = (action: string) => app.permit.check(user('ada@example.com'), action, { type: 'document', key: '7', tenant: 'acme' })
      .catch((error: { code: string }) => error.code)
    const unknown = refusesUnknownActions ? 'FST_PERMIT_UNAVAILABLE' : false
    t.equal(await check('vanish'), unknown)
    t.same(await Promise.all(['read', 'vanish', 'create', 'vanish', 'read'].map(check)), [true, unknown, true, unknown, true])
    t.equal(await check('read'), true)
  })

  t.test('no answer, half an answer and a wrong one are 503, and then all is as before', async t => {
    const proxy = await startProxy(t, { url })
    const { statusOf } = await appFor(t, proxy.url)
    const faults = [
      (response: { destroy (): void }) => response.destroy(),
      (response: { writeHead (status: number, headers: object): { end (body: string): void } }) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"decision":"true"}'),
      (response: { writeHead (status: number, headers: object): { end (body: string): void } }) => response.writeHead(500, { 'content-type': 'application/json' }).end('{"decision":true}')
    ]
    for (const [index, fault] of faults.entries()) {
      proxy.fault = fault as never
      t.equal(await statusOf('ada@example.com', 'acme', '7'), 503, String(index))
      proxy.fault = undefined
      const start = performance.now()
      while (await statusOf('ada@example.com', 'acme', '7') !== 200) {
        if (performance.now() - start > 10_000) throw new Error('not as before after 10 s')
      }
      t.equal(await statusOf('bob@example.com', 'acme'), 403)
    }
  })
}
