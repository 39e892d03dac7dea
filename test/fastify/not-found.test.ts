// A kind of hole: a way to a 404 handler that leads past its hooks, in one version of Fastify or another. Whatever the way, and wherever the
// handler and the way to it were declared: it runs for a user with the permission only, and for that user it runs.
import fc from 'fast-check'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import permit, { type PermitOptions } from '../../src/index.js'
import { fastifyFor, guardedApp } from '../support/app.js'

declare module 'fastify' {
  interface FastifyRequest { userOfTest: string | undefined }
}

/** Who asks is known only when a hook of the handler has run: it must not be asked before, nor with nobody. */
const OPTIONS: PermitOptions = {
  user: request => request.userOfTest,
  policy: {
    resources: { task: { actions: { list: {} } } },
    roles: { admin: { permissions: ['task:list'] } },
    users: { ann: {}, eve: {} },
    role_assignments: [{ user: 'ann', role: 'admin' }]
  }
}

async function authenticate (request: FastifyRequest): Promise<void> {
  request.userOfTest = request.headers['x-user']?.toString()
}

/** How the handler is guarded, and where the user comes from. */
const GUARDS: Readonly<Record<string, (scope: FastifyInstance) => object>> = {
  annotation: () => ({ preHandler: authenticate, config: { permit: 'task:list' } }),
  'guard()': scope => ({ preHandler: [authenticate, scope.permit.guard('task:list')] }),
  'guard() after a hook of the scope': scope => {
    scope.addHook('preHandler', authenticate)
    return { preHandler: scope.permit.guard('task:list') }
  },
  'hooks of the scope': scope => {
    scope.addHook('preHandler', authenticate)
    scope.addHook('preHandler', scope.permit.guard('task:list'))
    return {}
  }
}

/** Where it is declared. */
const PREFIXES: Readonly<Record<string, string | undefined>> = { root: undefined, 'scope without a prefix': '', scope: '/scope', 'scope with a param': '/t/:tenant' }

interface Way {
  /** Declares what it needs. */
  readonly declare?: (scope: FastifyInstance) => void
  readonly url: string
  /** Whether every version of Fastify gets to the handler by it. */
  readonly arrives: boolean
}

const away = (_request: FastifyRequest, reply: FastifyReply) => { reply.callNotFound() }

/** Ways that may lead to the handler, within its prefix. */
const WAYS: Readonly<Record<string, Way>> = {
  'an unknown URL': { url: '/nowhere', arrives: true },
  'callNotFound of a handler': { declare: scope => { scope.get('/away', away) }, url: '/away', arrives: true },
  'callNotFound of a hook': {
    declare: scope => { scope.get('/hook', { onRequest: (request, reply, _done) => away(request, reply) }, async () => 'not this') },
    url: '/hook',
    arrives: true
  },
  'callNotFound of an error handler': {
    declare: scope => { scope.get('/error', { errorHandler: (_error, request, reply) => away(request, reply) }, async () => { throw new Error('an error') }) },
    url: '/error',
    arrives: true
  },
  'callNotFound of a scope below': {
    declare: scope => { scope.register(async below => { below.get('/below', away) }) },
    url: '/below',
    arrives: true
  },
  'a URL that cannot be decoded': { url: '/%zz', arrives: false },
  'a param that cannot be decoded': { declare: scope => { scope.get('/param/:id', async () => 'not this') }, url: '/param/%E0%A4%A', arrives: false },
  'a param that is too long': { declare: scope => { scope.get('/long/:id', async () => 'not this') }, url: `/long/${'x'.repeat(200)}`, arrives: false }
}

const style = fc.constantFrom('async', 'callback' as const)

async function appOf (t: Test, { guard, place, way, first, style, other }: { guard: string, place: string, way: string, first: boolean, style: string, other: boolean }) {
  const app = fastifyFor(t)
  app.decorateRequest('userOfTest', undefined)
  await app.register(permit, OPTIONS)
  const prefix = PREFIXES[place]
  const ran: Array<string | undefined> = []
  const declare = (scope: FastifyInstance) => {
    if (first) WAYS[way]?.declare?.(scope)
    scope.setNotFoundHandler(GUARDS[guard]?.(scope) as never, style === 'async'
      ? async request => { ran.push(request.userOfTest); return 'SECRET' }
      : (request, reply) => { ran.push(request.userOfTest); setImmediate(() => reply.send('SECRET')) })
    if (!first) WAYS[way]?.declare?.(scope)
  }
  // Another scope's handler, which old versions tell of URLs of this one.
  if (other) app.register(async scope => { scope.setNotFoundHandler(async (_request, reply) => reply.code(404).send('other')) }, { prefix: '/other/:id' })
  if (prefix === undefined) declare(app)
  else app.register(async scope => declare(scope), { prefix })
  await app.ready()
  return { app, ran, prefix: prefix?.replace(':tenant', 'acme') ?? '' }
}

t.test('every way to a 404 handler runs its guard', async t => {
  await fc.assert(fc.asyncProperty(
    fc.record({
      guard: fc.constantFrom(...Object.keys(GUARDS)),
      place: fc.constantFrom(...Object.keys(PREFIXES)),
      way: fc.constantFrom(...Object.keys(WAYS)),
      first: fc.boolean(),
      style,
      other: fc.boolean()
    }),
    async choice => {
      const { url, arrives } = WAYS[choice.way] as Way
      const { app, ran, prefix } = await appOf(t, choice)
      // Where the way's route is behind the scope's hooks itself, these answer.
      for (const [user, status] of [['eve', 403], [undefined, 401], ['ann', 200]] as const) {
        const { statusCode, body } = await app.inject({ url: prefix + url, headers: user === undefined ? {} : { 'x-user': user } })
        if (user !== 'ann' && (ran.length > 0 || body === 'SECRET')) throw new Error(`it ran for ${user}`)
        if (arrives && statusCode !== status) throw new Error(`${statusCode} for ${user}`)
        if (!arrives && ![status, 400, 404, 414].includes(statusCode)) throw new Error(`${statusCode} for ${user}`)
      }
      if (ran.some(user => user !== 'ann')) throw new Error('it ran before it was known for whom')
      if (arrives && ran.length !== 1) throw new Error(`it ran ${ran.length} times`)
      await app.close()
    }
  ), { numRuns: 250 })
})

t.test('a URL that cannot be decoded below a prefix with a param gets an answer, and runs no guarded handler', async t => {
  for (const [guard, options] of Object.entries(GUARDS)) {
    const { app, ran } = await appOf(t, { guard, place: 'scope with a param', way: 'an unknown URL', first: true, style: 'async', other: false })
    for (const url of ['/t/%zz', '/t/%zz/nowhere', '/t/%E0%A4%A/x', `/t/${'x'.repeat(101)}/nowhere`]) {
      for (const user of ['eve', 'ann']) {
        const { statusCode } = await app.inject({ url, headers: { 'x-user': user } })
        t.ok([400, 404, 414].includes(statusCode), `${guard}: ${url.slice(0, 20)} ${statusCode}`)
      }
    }
    t.same(ran, [], String(options))
  }
})

t.test('a handler set before fastify-permit was loaded is guarded, or the app does not start', async t => {
  for (const place of ['root', 'scope with a param']) {
    for (const awaited of [true, false]) {
      const app = fastifyFor(t)
      app.decorateRequest('userOfTest', undefined)
      let ran = 0
      const declare = (scope: FastifyInstance) => {
        scope.get('/away', away)
        scope.setNotFoundHandler({ preHandler: authenticate, config: { permit: 'task:list' } } as never, async () => { ran++; return 'SECRET' })
      }
      if (place === 'root') declare(app)
      else app.register(async scope => declare(scope), { prefix: '/t/:tenant' })
      if (awaited) await app.register(permit, OPTIONS)
      else app.register(permit, OPTIONS)
      const prefix = place === 'root' ? '' : '/t/acme'
      for (const url of [`${prefix}/nowhere`, `${prefix}/away`, '/t/%zz/nowhere']) {
        const outcome = await app.inject({ url, headers: { 'x-user': 'eve' } }).then(({ statusCode }) => statusCode, (error: Error) => error.message)
        t.ok(typeof outcome === 'number' ? outcome >= 400 : /calls such a handler without its hooks|Fastify/.test(outcome), `${place}: ${url} ${outcome}`)
      }
      t.equal(ran, 0)
    }
  }
})

t.test('a hook that continues twice neither runs a 404 handler early nor sends two answers', async t => {
  const turn = () => new Promise(resolve => setImmediate(resolve))
  for (const allowed of [false, true]) {
    for (const cache of [false, { ttl: 60_000 }] as const) {
      for (const how of ['guard()', 'annotation'] as const) {
        const { app } = await guardedApp(t, { cache }, { decide: async () => { await turn(); return allowed } })
        app.addHook('onSend', async () => { await turn() })
        const twice = (_request: unknown, _reply: unknown, done: () => void) => { done(); done() }
        let ran = 0
        app.setNotFoundHandler(
          (how === 'annotation' ? { preHandler: twice, config: { permit: 'task:list' } } : { preHandler: [twice, app.permit.guard('task:list')] }) as never,
          async () => { ran++; return 'SECRET' })
        for (let request = 0; request < 3; request++) {
          const { statusCode, body } = await app.inject({ url: '/nowhere', headers: { 'x-user': 'eve' } })
          if (allowed) continue
          t.ok(statusCode === 403 || statusCode === 500, `${how}: ${statusCode}`)
          t.notMatch(body, 'SECRET')
          t.equal(ran, 0)
        }
      }
    }
  }
})
