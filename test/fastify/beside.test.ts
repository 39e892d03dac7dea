// Beside other plugins that people have: proxies, WebSockets, files that are loaded from a folder, and a second copy of this very package.
import { once } from 'node:events'
import { cp, symlink } from 'node:fs/promises'
import { createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath, pathToFileURL } from 'node:url'
import autoload from '@fastify/autoload'
import proxy from '@fastify/http-proxy'
import websocket from '@fastify/websocket'
import type { FastifyInstance, RouteOptions } from 'fastify'
import t, { type Test } from 'tap'
import { WebSocketServer } from 'ws'
import permit from '../../src/index.js'
import { deferred, fastifyFor, guardedApp, optionsFor, pdpFor } from '../support/app.js'
import { EXTENSION } from '../support/program.js'

const annotated = { config: { permit: 'task:create' } }
const ann = { 'x-user': 'ann' }
const eve = { 'x-user': 'eve' }

/** A service that counts what reaches it: requests and sockets. */
async function upstreamFor (t: Test) {
  const reached = { requests: 0, sockets: 0 }
  const server = createServer((_request, response) => { reached.requests++; response.end('upstream') })
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', socket => { reached.sockets++; socket.send('hello') })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets.clients) socket.terminate()
    server.close()
    server.closeAllConnections()
  })
  return { reached, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

async function listening (app: FastifyInstance): Promise<string> {
  await app.listen({ port: 0, host: '127.0.0.1' })
  return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
}

/** What a client gets that wants to upgrade: a status, or 'reset'. */
async function upgrade (url: string, headers: Record<string, string>): Promise<number | 'reset'> {
  const request = httpRequest(url, {
    agent: false,
    headers: { ...headers, connection: 'upgrade', upgrade: 'websocket', 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==', 'sec-websocket-version': '13' }
  })
  const status = new Promise<number | 'reset'>(resolve => {
    request.on('response', response => { response.resume(); resolve(response.statusCode ?? 0) })
    request.on('upgrade', (_response, socket) => { socket.destroy(); resolve(101) })
    request.on('error', () => resolve('reset'))
  })
  request.end()
  return status
}

t.test('requests through @fastify/http-proxy are guarded: each method, each path, and WebSockets', async t => {
  const ways: Record<string, (app: FastifyInstance) => object> = {
    'by config': () => annotated,
    'by guard()': app => ({ preHandler: app.permit.guard('task:create') })
  }
  for (const order of ['permit first', 'proxy first', 'beside @fastify/websocket']) {
    for (const [way, options] of Object.entries(ways)) {
      // Before the plugin there is no guard() to give.
      if (order === 'proxy first' && way === 'by guard()') continue
      const { reached, url: upstream } = await upstreamFor(t)
      const pdp = await pdpFor(t, { decide: q => q.user.key === 'ann' })
      const app = fastifyFor(t)
      if (order === 'beside @fastify/websocket') await app.register(websocket)
      const first = order === 'proxy first'
      if (!first) await app.register(permit, optionsFor(pdp))
      // Where both plugins take upgrades, they take the same one, and end the process: also without this one.
      app.register(proxy, { upstream, prefix: '/up', websocket: order !== 'beside @fastify/websocket', ...options(app) })
      if (first) await app.register(permit, optionsFor(pdp))
      const url = await listening(app)
      const name = `${order}, ${way}`
      for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD']) {
        for (const path of ['/up', '/up/', '/up/a/b?c=d', '/up/%2e%2e/a', '/UP/a', '/up//a']) {
          for (const headers of [eve, {}]) {
            const { status } = await fetch(url + path, { method, headers })
            t.ok([401, 403, 404].includes(status), `${name}: ${method} ${path}: ${status}`)
          }
        }
      }
      for (const path of ['/up', '/up/socket', '/up/']) {
        for (const headers of [eve, {}]) t.not(await upgrade(url + path, headers as Record<string, string>), 101, `${name}: upgrade of ${path}`)
      }
      t.same(reached, { requests: 0, sockets: 0 }, name)
      t.equal((await fetch(`${url}/up/a`, { headers: ann })).status, 200)
      t.equal(reached.requests, 1)
      if (order === 'beside @fastify/websocket') continue
      t.equal(await upgrade(`${url}/up/socket`, ann), 101)
    }
  }
})

t.test('a WebSocket is opened only after the decision, also when its client has disconnected by then', async t => {
  for (const order of ['websocket first', 'permit first', 'route first']) {
    const asked = deferred<(allow: boolean) => void>()
    const pdp = await pdpFor(t, { decide: q => q.user.key === 'ann' || new Promise(resolve => asked.resolve(resolve)) })
    const app = fastifyFor(t)
    let opened = 0
    const declare = () => {
      app.get('/socket', { ...annotated, websocket: true }, () => { opened++ })
      app.route({ method: 'GET', url: '/both', ...annotated, handler: async () => 'http', wsHandler: () => { opened++ } })
      app.get('/plain', annotated, async () => { opened++; return 'plain' })
    }
    if (order !== 'permit first') await app.register(websocket)
    if (order === 'route first') declare()
    await app.register(permit, optionsFor(pdp))
    if (order === 'permit first') await app.register(websocket)
    if (order !== 'route first') declare()
    app.setNotFoundHandler({ preHandler: app.permit.guard('task:create') }, async () => { opened++; return 'nowhere' })
    const url = await listening(app)
    for (const path of ['/socket', '/both', '/plain', '/nowhere']) t.equal(await upgrade(url + path, {}) === 101, false, `${order}: ${path}`)
    const waiting = upgrade(`${url}/socket`, { 'x-user': 'late' })
    const decide = await asked.promise
    t.equal(opened, 0)
    decide(false)
    t.not(await waiting, 101)
    t.equal(opened, 0)
    t.equal(await upgrade(`${url}/socket`, ann), 101)
    t.equal(opened, 1)
  }
})

t.test('a route that is copied to or from a WebSocket keeps its guard', async t => {
  for (const order of ['websocket first', 'permit first']) {
    const pdp = await pdpFor(t, { decide: q => q.user.key === 'ann' })
    const app = fastifyFor(t)
    let scope!: FastifyInstance
    await app.register(async child => { scope = child })
    if (order === 'websocket first') await app.register(websocket)
    await app.register(permit, optionsFor(pdp))
    if (order === 'permit first') await app.register(websocket)
    let copied!: RouteOptions
    app.addHook('onRoute', route => { copied ??= route })
    let opened = 0
    app.get('/socket', { ...annotated, websocket: true }, () => { opened++ })
    const steal = () => app.route({ method: 'GET', url: '/stolen', websocket: true, handler: copied.handler })
    // @fastify/websocket, where it comes first, has put a handler of its own around the stolen one: then that one finds out itself.
    if (order === 'permit first') t.throws(steal, { code: 'FST_PERMIT_ANNOTATION' })
    else steal()
    app.route({ ...copied, url: '/copy', websocket: true })
    scope.get('/socket', { config: copied.config, websocket: true, constraints: { version: '2.0.0' } } as never, (() => { opened++ }) as never)
    const url = await listening(app)
    await upgrade(`${url}/stolen`, eve)
    for (const path of ['/socket', '/copy']) {
      for (const headers of [eve, { ...eve, 'accept-version': '2.0.0' }] as const) t.not(await upgrade(url + path, headers), 101, `${order}: ${path}`)
    }
    t.equal(opened, 0)
    t.equal(await upgrade(`${url}/socket`, ann), 101)
  }
})

t.test('files loaded by @fastify/autoload are guarded, or the app does not start', async t => {
  const pdp = await pdpFor(t, { decide: q => q.user.key === 'ann' })
  const plugin = JSON.stringify(new URL(`../../src/index.${EXTENSION}`, import.meta.url).href)
  const options = JSON.stringify({ pdp: pdp.url, token: pdp.token, cache: false })
  const register = `import permit from ${plugin}\nconst options = { ...${options}, user: request => request.headers['x-user'] }\n`
  const route = (url: string) => `export default async app => { app.get('${url}', { config: { permit: 'task:create' } }, async () => 'in') }\n`
  const dir = t.testdir({
    'package.json': '{ "type": "module" }',
    wrapped: { 'permit.js': `${register}import fp from 'fastify-plugin'\nexport default fp(async app => { await app.register(permit, options) })\n` },
    alone: { 'permit.js': `${register}export default async app => { await app.register(permit, options) }\n` },
    itself: { 'permit.js': `${register}export default permit\nexport const autoConfig = options\n` },
    routes: { 'root.js': route('/'), tasks: { 'index.js': route('/list'), 'autohooks.js': 'export default async app => { app.addHook(\'preHandler\', async () => {}) }\n', ':id': { 'index.js': route('/deep') } } }
  })
  const load = async (...folders: string[]) => {
    const app = fastifyFor(t)
    for (const folder of folders) app.register(autoload, { dir: `${dir}/${folder}`, routeParams: true, autoHooks: true, cascadeHooks: true } as never)
    await app.ready()
    return app
  }
  for (const folders of [['wrapped', 'routes'], ['routes', 'wrapped'], ['itself', 'routes']]) {
    const app = await load(...folders)
    for (const url of ['/', '/tasks/list', '/tasks/7/deep']) {
      const statuses = [await app.inject({ url, headers: ann }), await app.inject({ url, headers: eve }), await app.inject(url)].map(({ statusCode }) => statusCode)
      t.same(statuses, [200, 403, 401], `${folders.join(', ')}: ${url}`)
    }
  }
  await t.rejects(load('alone', 'routes'), { code: 'FST_PERMIT_ANNOTATION', message: /GET \/tasks\/list.*fastify-plugin/ })
  const app = await load('routes', 'alone')
  for (const url of ['/', '/tasks/list', '/tasks/7/deep']) t.equal((await app.inject({ url, headers: ann })).statusCode, 500, 'what was declared before could not be seen, and is refused')
})

t.test('two copies of the package in one app do not trust each other', async t => {
  const dir = t.testdir({})
  await cp(fileURLToPath(new URL('../../src', import.meta.url)), `${dir}/src`, { recursive: true })
  // Compiled sources name bundled packages by their path.
  await symlink(fileURLToPath(new URL('../../node_modules', import.meta.url)), `${dir}/node_modules`)
  const { default: other } = await import(pathToFileURL(`${dir}/src/index.${EXTENSION}`).href) as { default: typeof permit }
  t.not(other, permit)
  for (const [one, two] of [[permit, other], [other, permit]] as const) {
    // In one scope, around one another, and inside of one another.
    const { app: same, pdp } = await guardedApp(t)
    await t.rejects(async () => same.register(other, optionsFor(pdp)), { code: 'FST_PERMIT_OPTIONS' })
    const around = fastifyFor(t)
    await around.register(async scope => { await scope.register(one, optionsFor(pdp)) })
    await t.rejects(async () => around.register(two, optionsFor(pdp)), { code: 'FST_PERMIT_OPTIONS' })

    const yes = await pdpFor(t, { decide: () => true })
    const no = await pdpFor(t, { decide: () => false })
    const app = fastifyFor(t)
    let ran = 0
    const handler = async () => { ran++; return 'in' }
    let open!: RouteOptions
    let guard!: NonNullable<RouteOptions['preHandler']>
    await app.register(async scope => {
      await scope.register(one, optionsFor(yes))
      scope.addHook('onRoute', route => { open ??= route })
      scope.get('/yes', annotated, handler)
      guard = scope.permit.guard('task:create')
    })
    await app.register(async scope => {
      await scope.register(two, optionsFor(no))
      scope.get('/config', { config: open.config }, handler)
      scope.route({ ...open, url: '/all' })
      scope.get('/handler', { ...annotated, handler: open.handler })
      scope.get('/only-handler', { handler: open.handler })
      scope.get('/guard', { ...annotated, preHandler: guard as never }, handler)
      scope.get('/bound', { ...annotated, preHandler: open.preHandler as never, handler: open.handler.bind(scope) as never })
    })
    await app.ready()
    for (const url of ['/config', '/all', '/handler', '/only-handler', '/guard', '/bound']) {
      const { statusCode } = await app.inject({ url, headers: ann })
      t.equal(statusCode, url === '/only-handler' ? 500 : 403, url)
    }
    t.equal(ran, 0)
    t.equal((await app.inject({ url: '/yes', headers: ann })).body, 'in')
  }
})
