// A kind of hole: what proves that a route is guarded is copied, with some piece of that route, to another one. Whatever is copied, from
// whichever place, to whichever place: no handler of a route with an annotation runs for a user without that permission.
import fc from 'fast-check'
import Fastify, { type FastifyInstance, type RouteOptions } from 'fastify'
import t from 'tap'
import permit, { type PermitOptions } from '../../src/index.js'
import { assertCounted } from '../support/counted.js'

type Handler = RouteOptions['handler']
type Permission = 'task:a' | 'task:b'

const USERS: Readonly<Record<string, readonly Permission[]>> = { ann: ['task:a'], bob: ['task:b'], eve: [] }

const OPTIONS: PermitOptions = {
  user: request => request.headers['x-user'] as string | undefined,
  policy: {
    resources: { task: { actions: { a: {}, b: {} } } },
    roles: { a: { permissions: ['task:a'] }, b: { permissions: ['task:b'] } },
    users: { ann: {}, bob: {}, eve: {} },
    role_assignments: [{ user: 'ann', role: 'a' }, { user: 'bob', role: 'b' }]
  }
}

/** How a config is copied: each of these says what the copied route's says. */
const COPIES: Readonly<Record<string, (config: object) => unknown>> = {
  itself: config => config,
  spread: config => ({ ...config }),
  created: config => Object.create(config),
  frozen: config => Object.freeze({ ...config }),
  proxy: config => new Proxy(config, {}),
  'proxy that lists nothing': config => new Proxy({}, { has: (_target, key) => key in config, get: (_target, key) => Reflect.get(config, key) }),
  'proxy that denies what it lists': config => new Proxy({ ...config }, { has: () => false }),
  getter: config => Object.defineProperties({}, Object.fromEntries(Reflect.ownKeys(config).map(key => [key, { enumerable: true, get: () => Reflect.get(config, key) }]))),
  'getter on a class': config => new (class { get permit () { return Reflect.get(config, 'permit') } })(),
  function: config => Object.assign(() => {}, config)
}

/** What is declared as the handler, of a function that was found on a guarded route. */
const TAKEN: Readonly<Record<string, (handler: Handler) => Handler>> = {
  itself: handler => handler,
  bound: handler => handler.bind({} as never) as Handler,
  proxy: handler => new Proxy(handler, {}),
  called: handler => function (request, reply) { return handler.call(this, request, reply) }
}

/** An own handler, with what makes a taken one recognisable. */
const DISGUISED: Readonly<Record<string, (own: Handler, taken: Handler) => Handler>> = {
  'with its properties': (own, taken) => Object.defineProperties(own, Object.getOwnPropertyDescriptors(taken)),
  'with its bind': (own, taken) => Object.assign(own, { bind: taken.bind }),
  'as its heir': (own, taken) => Object.setPrototypeOf(own, taken)
}

const declaration = fc.record({
  from: fc.nat(2),
  place: fc.constantFrom('root', 'scope of before', 'scope below it', 'scope of after', 'onRoute', 'notFound', 'notFound below it'),
  options: fc.constantFrom('own', 'spread'),
  config: fc.constantFrom('none', 'empty', 'public', 'task:b', ...Object.keys(COPIES)),
  hooks: fc.constantFrom('as they are', 'none', 'copied', 'bound', 'in onRequest'),
  handler: fc.constantFrom('own', 'original', ...Object.keys(TAKEN), ...Object.keys(DISGUISED)),
  url: fc.constantFrom('same', 'own', 'root of a prefix'),
  method: fc.constantFrom('GET', 'POST', 'HEAD', 'several'),
  constraint: fc.constantFrom(undefined, 'version', 'host', 'tier')
})

type Declaration = typeof declaration extends fc.Arbitrary<infer D> ? D : never

/** A route as the test calls it, and what it requires: everything in `requires`. */
interface Called { readonly method: 'GET' | 'POST' | 'HEAD', readonly url: string, readonly headers: Record<string, string>, readonly requires: readonly Permission[] }

const GUARDED: ReadonlyArray<{ readonly url: string, readonly permit: Permission }> = [
  { url: '/0', permit: 'task:a' }, { url: '/1', permit: 'task:b' }, { url: '/2', permit: 'task:a' }
]

async function play (declarations: readonly Declaration[]) {
  const ran: Array<{ readonly call: string, readonly notFound: string | undefined }> = []
  const handlerOf = (): Handler => async request => {
    ran.push({ call: String(request.headers['x-call']), notFound: request.is404 ? `${request.server.prefix}/nowhere` : undefined })
    return 'ok'
  }
  const app = Fastify() as FastifyInstance
  app.addConstraintStrategy(tierConstraint())
  try {
    let before!: FastifyInstance
    let below!: FastifyInstance
    await app.register(async scope => {
      before = scope
      await scope.register(async scope => { below = scope }, { prefix: '/below' })
    })
    await app.register(permit, OPTIONS)
    const options: RouteOptions[] = []
    const originals: Handler[] = []
    const called: Called[] = GUARDED.map(({ url, permit }) => ({ method: 'GET', url, headers: {}, requires: [permit] }))
    app.addHook('onRoute', function (route) {
      const index = GUARDED.findIndex(({ url }) => url === route.url)
      if (route.method !== 'GET' || index === -1 || options[index] !== undefined) return
      options[index] = route
      for (const [n, declaration] of declarations.entries()) if (declaration.place === 'onRoute' && declaration.from === index) declare(this, declaration, n)
    })
    for (const [index, { url, permit }] of GUARDED.entries()) {
      originals[index] = handlerOf()
      app.get(url, { config: { permit } }, originals[index])
    }
    let after!: FastifyInstance
    await app.register(async scope => { after = scope }, { prefix: '/after' })
    for (const [n, declaration] of declarations.entries()) {
      if (declaration.place === 'root' || declaration.place === 'notFound') declare(app, declaration, n)
      else if (declaration.place === 'scope of after') declare(after, declaration, n)
      else if (declaration.place !== 'onRoute') declare(declaration.place === 'scope of before' ? before : below, declaration, n)
    }
    await app.ready()
    return { called, ran, answers: await callAll(app, called) }

    function declare (scope: FastifyInstance, { from, place, options: base, config, hooks, handler, url, method, constraint }: Declaration, n: number) {
      const route = options[from] as RouteOptions
      const { permit } = GUARDED[from] as typeof GUARDED[number]
      const notFound = place.startsWith('notFound')
      const own = handlerOf()
      const made: Record<string, unknown> = {
        ...(base === 'spread' ? route : {}),
        ...(config === 'none' ? {} : { config: config === 'empty' ? {} : config === 'public' ? { permit: false } : config === 'task:b' ? { permit: 'task:b' } : COPIES[config]?.(route.config as object) }),
        ...(hooks === 'as they are' ? {} : hooksOf(hooks, route)),
        handler: handler === 'own' ? own : handler === 'original' ? originals[from] : TAKEN[handler]?.(route.handler) ?? DISGUISED[handler]?.(own, route.handler)
      }
      const says = config === 'task:b' ? 'task:b' : config === 'public' ? false : config === 'empty' || (config === 'none' && base === 'own') ? undefined : permit
      // A route that says nothing, with a handler that was taken from one that does, is not public. When that one is only called, it is as if it were the route's own:
      // but it has not passed.
      const requires = handler === 'called' || handler === 'bound'
        ? [permit, ...says === undefined || says === false ? [] : [says]]
        : says === undefined ? handler in TAKEN ? [permit] : [] : says === false ? [] : [says]
      try {
        if (notFound) {
          scope.setNotFoundHandler(made as never, made.handler as never)
          called.push({ method: 'GET', url: `${scope.prefix}/nowhere`, headers: {}, requires })
          return
        }
        const headers: Record<string, string> = constraint === 'version' ? { 'accept-version': `${n + 1}.0.0` } : constraint === 'host' ? { host: `${n}.example` } : constraint === 'tier' ? { 'x-tier': `t${n}` } : {}
        const value = constraint === undefined ? undefined : { version: `${n + 1}.0.0`, host: `${n}.example`, tier: `t${n}` }[constraint]
        const path = url === 'same' ? route.url : url === 'own' ? `/own${n}` : '/'
        const into = (to: FastifyInstance) => {
          to.route({ ...made, method: method === 'several' ? ['GET', 'POST'] : method, url: path, constraints: constraint === undefined ? {} : { [constraint]: value } } as unknown as RouteOptions)
          for (const verb of method === 'several' ? ['GET', 'POST', 'HEAD'] as const : method === 'GET' ? ['GET', 'HEAD'] as const : [method as 'POST' | 'HEAD']) {
            for (const called_ of url === 'root of a prefix' ? [to.prefix, `${to.prefix}/`] : [to.prefix + path]) {
              // A GET route has no HEAD of its own where the app has declared one.
              const isThere = verb !== method && called.some(other => other.method === verb && other.url === called_ && JSON.stringify(other.headers) === JSON.stringify(headers))
              if (!isThere) called.push({ method: verb, url: called_, headers, requires })
            }
          }
        }
        if (url === 'root of a prefix') scope.register(async child => { into(child) }, { prefix: `/p${n}` })
        else into(scope)
      } catch (error) {
        // Declared twice, or refused at once: then there is no such route.
        if (!isRefusal(error)) throw error
      }
    }
  } catch (error) {
    // An app that does not start lets nobody in.
    if (!isRefusal(error)) throw error
    return undefined
  } finally {
    await app.close().catch(() => {})
  }
}

function isRefusal (error: unknown): boolean {
  return (error as { code?: string }).code === 'FST_PERMIT_ANNOTATION' || /already (declared|set)/.test(String(error))
}

async function callAll (app: FastifyInstance, called: readonly Called[]): Promise<ReadonlyMap<string, number>> {
  const answers = new Map<string, number>()
  for (const [index, { method, url, headers }] of called.entries()) {
    for (const user of Object.keys(USERS)) {
      const call = `${index} ${user}`
      const { statusCode } = await app.inject({ method, url, headers: { ...headers, 'x-user': user, 'x-call': call } })
      answers.set(call, statusCode)
    }
  }
  return answers
}

function hooksOf (hooks: string, { preHandler }: RouteOptions): Partial<RouteOptions> {
  const copied = preHandler as unknown as Array<(...args: unknown[]) => unknown>
  if (hooks === 'copied') return { preHandler: preHandler as never }
  if (hooks === 'bound') return { preHandler: copied.map(hook => hook.bind({})) as never }
  if (hooks === 'in onRequest') return { onRequest: [...copied] as never, preHandler: [] }
  return { preHandler: [] }
}

function tierConstraint () {
  return {
    name: 'tier',
    storage () {
      const handlers = new Map<unknown, never>()
      return { get: (key: unknown) => handlers.get(key) ?? null, set (key: unknown, handler: unknown) { handlers.set(key, handler as never) } }
    },
    validate () {},
    deriveConstraint: (request: { readonly headers: object }) => Reflect.get(request.headers, 'x-tier') as unknown
  }
}

t.test('no handler of an annotated route runs for a user without the permission, whatever was copied from guarded routes', async t => {
  let started = 0
  await assertCounted(fc.asyncProperty(fc.array(declaration, { minLength: 1, maxLength: 5 }), async declarations => {
    const played = await play(declarations)
    if (played === undefined) return
    started++
    const { called, ran, answers } = played
    for (const { call, notFound } of ran) {
      const [index = '', user = ''] = call.split(' ')
      const { requires, method, url } = (notFound === undefined ? called[Number(index)] : called.find(({ url }) => url === notFound)) as Called
      for (const permission of requires) {
        if (USERS[user]?.includes(permission) !== true) throw new Error(`${method} ${url} ran for ${user}, who has no ${permission}: ${answers.get(call)}`)
      }
    }
    for (const [index, { permit }] of GUARDED.entries()) {
      for (const [user, permissions] of Object.entries(USERS)) {
        const expected = permissions.includes(permit) ? 200 : 403
        if (answers.get(`${index} ${user}`) !== expected) throw new Error(`the route that was copied from answers ${user} with ${answers.get(`${index} ${user}`)}`)
      }
    }
  }), { numRuns: 200 }, () => {
    t.ok(started > 30, `${started} apps have started`)
  })
})
