// `permit: 'url'`: URL mapping rules decide about the route that the router has matched, however the URL was written.
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import permit, { type Annotation, type PermitOptions, type Policy } from '../../src/index.js'
import { routeUrl } from '../../src/fastify/route-url.js'
import { pdpFor, TOKEN } from '../server/support.js'
import { byHeader, fastifyFor } from '../support/app.js'
import { assertCounted } from '../support/counted.js'
import { sendWritten, writtenUrls } from '../support/written-urls.js'

const base = 'https://app.example'
const rule = (url: string, resource: string, more: { action?: string, http_method?: string, priority?: number } = {}) =>
  ({ url: base + url, http_method: 'get', resource, action: 'read', ...more })

const policy: Policy = {
  resources: { page: { actions: { read: {}, write: {} } }, secret: { actions: { read: {} } } },
  roles: { visitor: { permissions: ['page:read'] }, keeper: { permissions: ['secret:read', 'page:read', 'page:write'] } },
  users: { vic: {}, kim: {}, eve: {} },
  role_assignments: [{ user: 'vic', role: 'visitor' }, { user: 'kim', role: 'keeper' }],
  user_sets: { anybody: { conditions: { allOf: [] } } },
  resource_sets: { harmless: { resource: 'page', conditions: { not: [{ 'resource.id': { equals: 'hidden' } }] } } },
  set_rules: [{ user_set: 'anybody', permission: 'page:write', resource_set: 'harmless' }],
  proxy_configs: {
    app: {
      mapping_rules: [
        rule('/{kind}', 'page'), rule('/docs/{id}', 'page'), rule('/files/{a}', 'page'), rule('/files/{a}/{b}', 'page'), rule('/', 'page'),
        rule('/admin', 'secret', { priority: 1 }), rule('/docs/secret', 'secret', { priority: 1 }), rule('/files/secret', 'secret', { priority: 1 }),
        rule('/files/secret/{b}', 'secret', { priority: 1 }), rule('/list', 'page'), rule('/list?all={all}', 'secret', { priority: 1 }),
        rule('/notes/{id}', 'page', { http_method: 'post', action: 'write' })
      ]
    }
  }
}

async function appWith (t: Test, options: Partial<PermitOptions> = {}, server: FastifyServerOptions = {}, isAnnotated = true) {
  // A copy, because early versions of Fastify write into their options.
  const app = fastifyFor(t, { ...server })
  await app.register(permit, { policy, user: byHeader, urls: { base }, ...options } as PermitOptions)
  const config: { permit?: Annotation } = isAnnotated ? { permit: 'url' } : {}
  for (const url of ['/', '/admin', '/list', '/:kind', '/docs/secret', '/docs/:id', '/files/*', '/mixed/:a-:b.:c', '/years/:year(^\\d{4}$)/::x', '/optional/:id?']) {
    app.get(url, { config }, async request => ({ route: request.routeOptions.url, params: request.params, query: request.query, asked: routeUrl(request) }))
  }
  app.post('/notes/:id', { config }, async () => 'written')
  await app.ready()
  const as = (user: string | undefined, url: string, method: 'GET' | 'HEAD' | 'POST' = 'GET') => app.inject({ method, url, headers: user === undefined ? {} : { 'x-user': user } })
  return { app, as, status: async (user: string | undefined, url: string, method?: 'HEAD' | 'POST') => (await as(user, url, method)).statusCode }
}

t.test('the rules decide, with the embedded PDP and with a PDP over HTTP alike', async t => {
  const pdp = await pdpFor(t, { policy })
  for (const options of [{}, { policy: undefined, pdp: pdp.url, token: TOKEN }] as Array<Partial<PermitOptions>>) {
    const { status } = await appWith(t, options)
    for (const turn of ['asked', 'cached']) {
      for (const [user, url, expected] of [
        ['vic', '/welcome', 200], ['vic', '/docs/7', 200], ['vic', '/files/a', 200], ['vic', '/', 200], ['vic', '/list', 200], ['vic', '/list?page=2', 200],
        ['vic', '/admin', 403], ['vic', '/docs/secret', 403], ['vic', '/files/secret', 403], ['vic', '/files/secret/7', 403], ['vic', '/list?all=1', 403],
        ['kim', '/admin', 200], ['kim', '/docs/secret', 200], ['kim', '/list?all=1', 200], ['eve', '/welcome', 403], [undefined, '/welcome', 401],
        ['kim', '/mixed/a-b.c', 403], ['kim', '/optional/7', 403], ['kim', '/files/a/b/c', 403]
      ] as const) t.equal(await status(user, url), expected, `${turn}: ${user} ${url}`)
    }
    t.equal(await status('vic', '/welcome', 'HEAD'), 200, 'HEAD is asked as GET')
    t.equal(await status('vic', '/admin', 'HEAD'), 403)
    t.equal(await status('eve', '/notes/7', 'POST'), 200, 'a condition on a value in the URL')
    for (const hidden of ['/notes/hidden', '/notes/hidden?x', '/notes/%68idden', '/notes/hidden#x']) t.equal(await status('eve', hidden, 'POST'), 403, hidden)
  }
})

t.test('the log names what was asked, without the query', async t => {
  const lines: string[] = []
  const { status } = await appWith(t, {}, { disableRequestLogging: true, logger: { level: 'info', stream: { write: (line: string) => { lines.push(line) } } } })
  await status('kim', '/optional/7?token=hush')
  await status('vic', '/list?x=1&x=2')
  const denied = lines.map(line => JSON.parse(line) as { permit?: object }).flatMap(({ permit }) => permit ?? [])
  t.match(denied, [
    { user: 'kim', action: 'get', resource: `url:${base}/optional/7`, tenant: 'default', code: 'no_url_mapping' },
    { user: 'vic', code: 'ambiguous_url', reason: /name twice/ }
  ])
  t.notMatch(lines.join(), /hush/)
})

t.test('strict mode and the table of routes know it, and it can be the default of every route', async t => {
  const { app } = await appWith(t, { strict: true })
  t.match(app.permit.routes().find(({ url }) => url === '/docs/:id'), { permission: 'url', permissions: [], resource: 'by URL', tenant: 'default', guardedBy: 'annotation', public: false })

  const { app: everything, status } = await appWith(t, { urls: { base, default: true }, strict: { public: ['/'] } }, {}, false)
  t.ok(everything.permit.routes().every(({ url, permission, public: isPublic }) => url === '/' ? isPublic && permission === null : permission === 'url'))
  t.same([await status('vic', '/admin'), await status('vic', '/welcome'), await status(undefined, '/')], [403, 200, 200])

  const before = Fastify()
  t.teardown(() => before.close())
  before.get('/early', async () => 'in')
  await before.register(permit, { policy, urls: { base, default: true } })
  await t.rejects(async () => { await before.ready() }, /declared before fastify-permit.*\n.*GET.*\/early/s)
})

t.test('as the default, it is in addition to what a scope requires', async t => {
  for (const place of ['at the root', 'in a scope', 'by a hook']) {
    for (const time of place === 'at the root' ? ['after', 'before'] : ['after']) {
      for (const said of [undefined, 'annotation', 'hook'] as const) {
        for (const except of [[], ['/admin']]) {
          if ((place === 'by a hook' && except.length > 0) || (time === 'before' && said === 'hook')) continue
          const app = fastifyFor(t, {})
          const declare = (scope: FastifyInstance) => {
            const options = said === 'annotation' ? { config: { permit: 'page:read' } as const } : said === 'hook' ? { preHandler: scope.permit.guard('page:read') } : {}
            scope.get('/admin', options, async () => 'in')
            scope.get('/welcome', options, async () => 'in')
            scope.get('/unmapped/:id', options, async () => 'in')
          }
          if (time === 'before') declare(app)
          await app.register(permit, { policy, user: byHeader, urls: { base, default: true } } as PermitOptions)
          const scoped = async (scope: FastifyInstance) => {
            if (place === 'by a hook') scope.addHook('preHandler', scope.permit.guard('page:write'))
            else scope.permit.require('page:write', { except })
            if (time === 'after') declare(scope)
          }
          if (place === 'at the root') await scoped(app)
          else await app.register(scoped)
          const status = async (user: string, url: string) => (await app.inject({ url, headers: { 'x-user': user } })).statusCode
          const name = `${place}, ${time}, ${said}, except ${except.join()}`
          try {
            await app.ready()
          } catch (error) {
            t.equal((error as { code?: string }).code, 'FST_PERMIT_UNDECLARED', name)
            t.equal(time, 'before', name)
            continue
          }
          // Eve may write pages by a condition, and nothing else; kim may everything; vic reads pages.
          t.equal(await status('kim', '/unmapped/7'), said === undefined ? 403 : 200, name)
          t.equal(await status('eve', '/welcome'), 403, name)
          t.equal(await status('eve', '/admin'), 403, name)
          t.equal(await status('vic', '/admin'), said === undefined ? 403 : 200, name)
          t.equal(await status('kim', '/admin'), 200, name)
        }
      }
    }
  }
})

t.test('it combines with permissions, and is a guard, too', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(permit, { policy, user: byHeader, urls: { base: `${base}/` } })
  app.get('/both/:kind', { config: { permit: { anyOf: ['secret:read', 'url'] } } }, async () => 'in')
  app.get('/welcome', { preHandler: app.permit.guard('url') }, async () => 'in')
  app.get('/admin', { config: { permit: () => 'url' } }, async () => 'in')
  const status = async (user: string, url: string) => (await app.inject({ url, headers: { 'x-user': user } })).statusCode
  t.same([await status('kim', '/both/x'), await status('vic', '/both/x'), await status('vic', '/welcome'), await status('eve', '/welcome'), await status('vic', '/admin'), await status('kim', '/admin')], [200, 403, 200, 403, 403, 200])
})

t.test('a route may name the path that is asked about, with its params', async t => {
  const app = fastifyFor(t)
  await app.register(permit, { policy, user: byHeader, urls: { base } })
  app.get('/internal/:id', { config: { permit: { url: '/docs/{id}' } } }, async () => 'in')
  app.get('/odd', { config: { permit: () => ({ url: '/docs/7' }) } }, async () => 'in')
  t.throws(() => app.get('/other/:name', { config: { permit: { url: '/docs/{id}' } } }, async () => 'in'), { code: 'FST_PERMIT_ANNOTATION', message: /names \{id\}, but the URL has only \{name\}/ })
  const status = async (user: string, url: string) => (await app.inject({ url, headers: { 'x-user': user } })).statusCode
  for (const [user, url, expected] of [
    ['vic', '/internal/7', 200], ['vic', '/internal/secret', 403], ['vic', '/internal/%73ecret', 403], ['kim', '/internal/secret', 200], ['kim', '/internal/a%2Fb', 403], ['eve', '/internal/7', 403],
    ['kim', '/odd', 500]
  ] as const) t.equal(await status(user, url), expected, `${user} ${url}`)
})

t.test('what cannot work stops the app', async t => {
  const start = async (options: object, declare: (app: ReturnType<typeof Fastify>) => void) => {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(permit, { policy, ...options } as PermitOptions)
    declare(app)
    await app.ready()
  }
  const url = (app: ReturnType<typeof Fastify>) => { app.get('/x', { config: { permit: 'url' } }, async () => 'in') }
  await t.rejects(start({}, url), { code: 'FST_PERMIT_ANNOTATION', message: /config\.permit of GET \/x.*"urls"/ })
  await t.rejects(start({}, app => { app.permit.guard('url') }), { code: 'FST_PERMIT_ANNOTATION' })
  for (const wrong of ['app.example', 'https://u:p@app.example', 'https://app.example?x', 'ftp://app.example', 'https://app.example#x', 7]) {
    await t.rejects(start({ urls: { base: wrong } }, url), { code: 'FST_PERMIT_OPTIONS', message: /"urls\.base".*http/ })
  }
  await t.rejects(start({ policy: undefined, pdp: 'http://127.0.0.1:9', protocol: 'authzen', urls: { base } }, url), { code: 'FST_PERMIT_OPTIONS', message: /"urls".*authzen/ })
})

const SERVERS = [{}, { routerOptions: { caseSensitive: false, ignoreTrailingSlash: true, ignoreDuplicateSlashes: true } }, { routerOptions: { useSemicolonDelimiter: true } }] as FastifyServerOptions[]

async function send (app: FastifyInstance, url: string, user: string): Promise<{ status: number, body: Told }> {
  const { status, body } = await sendWritten((app.server.address() as AddressInfo).port, url, user)
  return { status, body: status === 200 ? JSON.parse(body) as Told : {} }
}

interface Told { route?: string, params?: Record<string, string>, query?: Record<string, unknown>, asked?: { path?: string, query?: string } }

const written = writtenUrls('/admin', '/docs/secret', '/files/secret', '/files/secret/7', '/list?all=1', '/list', '/docs/7', '/welcome', '/files/a/b', '/mixed/a-b.c', '/years/2026/:x', '/optional/7', '/optional')

t.test('no way to write a URL opens a route to a user who may only open laxer ones', async t => {
  for (const server of SERVERS) {
    const { app } = await appWith(t, {}, server)
    await app.listen({ port: 0 })
    let reached = 0
    await assertCounted(fc.asyncProperty(written, async url => {
      const { status, body: { route, params = {}, query = {} } } = await send(app, url, 'vic')
      if (status !== 200) return
      reached++
      if (route === '/admin' || route === '/docs/secret' || (route === '/list' && 'all' in query)) throw new Error(`${url} reached ${route}`)
      // What a server behind the handler could make of the rest.
      const rest = (params['*'] ?? '').replace(/%25/g, '%').replace(/%2f|%5c|\\/gi, '/').replace(/%([0-9a-f]{2})/gi, (_, code: string) => String.fromCharCode(parseInt(code, 16))).replace(/;[^/]*/g, '')
      const [first] = rest.split('/').filter(part => part !== '' && part !== '.')
      if (route === '/files/*' && (first === 'secret' || rest.includes('..'))) throw new Error(`${url} reached ${rest}`)
    }), { numRuns: 150 }, () => {
      t.ok(reached > 5, `${reached} reached a laxer route`)
    })
  }
})

t.test('the URL that is asked about leads the router to the same route with the same params', async t => {
  for (const server of SERVERS) {
    const { app } = await appWith(t, { policy: { resources: {} } }, server, false)
    await app.listen({ port: 0 })
    let asked = 0
    await assertCounted(fc.asyncProperty(written, async url => {
      const { body: first } = await send(app, url, 'vic')
      if (first.asked?.path === undefined) return
      asked++
      const { body: second } = await send(app, first.asked.path + (first.asked.query ?? ''), 'vic')
      if (JSON.stringify([first.route, first.params, first.query]) !== JSON.stringify([second.route, second.params, second.query])) throw new Error(`${url}: ${JSON.stringify([first, second])}`)
    }), { numRuns: 100 }, () => {
      t.ok(asked > 10, `${asked} asked`)
    })
  }
})
