// The log of a denial: one line, whoever asked, a guard or the handler, and none of the framework about the same.
import express from 'express'
import Fastify, { type FastifyInstance } from 'fastify'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import permit from '../../src/index.js'
import { guard, permit as expressPermit } from '../../src/express/index.js'
import type { Policy } from '../../src/engine/policy/policy.js'

interface Line { level: number, msg: string, permit?: { user: string, action: string, code: string }, err?: unknown, res?: unknown, own?: boolean }

const policy: Policy = { resources: { task: { actions: { read: {}, write: {} } } }, roles: { viewer: { permissions: ['task:read'] } }, users: { ann: {} }, role_assignments: [{ user: 'ann', role: 'viewer' }] }

async function appOf (t: Test, options: object = {}, declare: (app: FastifyInstance) => void = () => {}) {
  const lines: Line[] = []
  const app = Fastify({ logger: { level: 'debug', stream: { write: (line: string) => { lines.push(JSON.parse(line) as Line) } } } })
  await app.register(permit, { policy, user: () => 'ann', ...options })
  t.teardown(() => app.close())
  app.get('/guard', { config: { permit: 'task:write' } }, async () => 'yes')
  app.get('/hook', { config: { permit: false }, preHandler: app.permit.guard('task:write') }, async () => 'yes')
  app.get('/assert', { config: { permit: false } }, async request => request.permit.assert('write', 'task'))
  app.get('/after', { config: { permit: 'task:read' } }, async request => request.permit.assert('write', 'task'))
  app.get('/check', { config: { permit: false } }, async request => String(await request.permit.check('write', 'task')))
  declare(app)
  await app.ready()
  /** The lines about the answer: without those of Fastify about every request. */
  const get = async (url: string) => {
    lines.length = 0
    const { statusCode } = await app.inject(url)
    const completed = lines.filter(({ msg }) => msg === 'request completed')
    if (completed.length !== 1) throw new Error('the end of the request is not in the log')
    return { statusCode, lines: lines.filter(({ msg }) => msg !== 'incoming request' && msg !== 'request completed') }
  }
  return { app, get, lines }
}

const DENIED = { msg: 'permit: denied', permit: { user: 'ann', action: 'write', code: 'no_permission' } }

t.test('a denial is one line at info, of a guard, a hook and a handler alike', async t => {
  const { get } = await appOf(t)
  for (const url of ['/guard', '/hook', '/assert', '/after']) {
    const { statusCode, lines } = await get(url)
    t.equal(statusCode, 403)
    t.equal(lines.length, 1, url)
    t.match(lines[0], { ...DENIED, level: 30 })
  }
  t.match(await get('/check'), { statusCode: 200, lines: [] }, 'a question is no denial')
})

t.test('with denials: debug it is one line at debug', async t => {
  const { get } = await appOf(t, { denials: 'debug' })
  for (const url of ['/guard', '/assert']) {
    const { lines } = await get(url)
    t.equal(lines.length, 1, url)
    t.match(lines[0], { ...DENIED, level: 20 })
  }
})

t.test('lines of the app, and of other errors, stay', async t => {
  const { get } = await appOf(t, {}, app => {
    app.get('/caught', { config: { permit: false } }, async (request, reply) => {
      await request.permit.assert('write', 'task').catch(() => {})
      reply.log.info({ own: true }, 'mine')
      throw Object.assign(new Error('another one'), { statusCode: 409 })
    })
    app.register(async scope => {
      scope.setErrorHandler((error, _request, reply) => {
        reply.log.info({ err: error, own: true }, 'handled')
        reply.log.info(error as Error)
        reply.log.warn({ res: reply, err: error }, (error as Error).message)
        return reply.code(418).send('no')
      })
      scope.get('/handled', { config: { permit: 'task:write' } }, async () => 'yes')
    })
  })
  const caught = await get('/caught')
  t.same(caught.lines.map(({ msg }) => msg), ['permit: denied', 'mine', 'another one'])
  const handled = await get('/handled')
  t.equal(handled.statusCode, 418)
  t.same(handled.lines.map(({ msg }) => msg), ['permit: denied', 'handled', 'You are not allowed to do this.', 'You are not allowed to do this.'])
})

t.test('an error of onDenied is a line of its own', async t => {
  const { get } = await appOf(t, { onDenied: () => Object.assign(new Error('not found'), { statusCode: 404 }) })
  t.same((await get('/guard')).lines.map(({ msg }) => msg), ['permit: denied', 'not found'])
})

t.test('requests at the same time have their own lines', async t => {
  const { app, lines } = await appOf(t)
  const answers = await Promise.all(['/guard', '/check', '/assert', '/check'].map(async url => app.inject(url)))
  t.same(answers.map(({ statusCode }) => statusCode), [403, 200, 403, 200])
  t.equal(lines.filter(({ msg }) => msg === 'permit: denied').length, 2)
  t.equal(lines.filter(({ msg }) => msg === 'request completed').length, 4)
  t.equal(lines.filter(({ err }) => err !== undefined).length, 0)
})

t.test('Express: the same lines, at the level of the option', async t => {
  for (const denials of [undefined, 'debug'] as const) {
    const lines: Array<[string, object, string]> = []
    const log = Object.fromEntries(['debug', 'info', 'warn', 'error'].map(level =>
      [level, (details: object, message: string) => { lines.push([level, details, message]) }])) as never
    const app = express()
    app.use(expressPermit({ policy, user: () => 'ann', log, ...(denials === undefined ? {} : { denials }) }))
    app.get('/guard', guard('task:write'), (_, response) => { response.send('yes') })
    app.get('/assert', (request, response, next) => { request.permit.assert('write', 'task').then(() => response.send('yes'), next) })
    app.use((_error: unknown, _request: unknown, response: express.Response, _next: unknown) => { response.status(403).end() })
    const server = app.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => server.close())
    for (const url of ['/guard', '/assert']) {
      lines.length = 0
      const { status } = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}${url}`, { headers: { connection: 'close' } })
      t.equal(status, 403)
      const about = lines.filter(([, , message]) => message === 'permit: denied')
      t.equal(about.length, 1, url)
      t.match(about[0], [denials ?? 'info', { permit: DENIED.permit }])
    }
  }
})

t.test('another level is refused at boot', async t => {
  for (const denials of ['warn', false, 'silent']) {
    await t.rejects(async () => { await Fastify().register(permit, { policy, denials } as never) }, { code: 'FST_PERMIT_OPTIONS', message: /option "denials"/ })
  }
})
