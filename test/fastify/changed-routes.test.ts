// A kind of hole: an onRoute hook that runs after the plugin's changes the method or the URL of a route, which the plugin has read already.
// Either the requirement is the one of the route as Fastify has it, or the app does not start.
import fc from 'fast-check'
import Fastify, { type RouteOptions } from 'fastify'
import t from 'tap'
import permit, { type Annotation, type PermitOptions } from '../../src/index.js'
import { assertCounted } from '../support/counted.js'

const ACTIONS = ['a', 'b', 'c'] as const
type Permission = `task:${typeof ACTIONS[number]}`

const POLICY = {
  resources: { task: { actions: { a: {}, b: {}, c: {} } } },
  roles: Object.fromEntries(ACTIONS.map(action => [action, { permissions: [`task:${action}` as const] }])),
  users: { a: {}, b: {}, c: {}, nobody: {} },
  role_assignments: ACTIONS.map(action => ({ user: action, role: action }))
}

interface World {
  readonly method: string | string[]
  readonly url: string
  readonly permit?: Annotation
  readonly routes?: ReadonlyArray<{ readonly url: string, readonly permit: Annotation }>
  readonly except?: readonly string[]
  /** What the hook sets. */
  readonly change: Partial<Pick<RouteOptions, 'method' | 'url'>>
}

/** The users whose request reached the handler, by method; undefined when the app did not start. */
async function play ({ method, url, permit: annotation, routes, except, change }: World) {
  const app = Fastify()
  const ran: string[] = []
  try {
    const options: PermitOptions = { policy: POLICY, user: request => request.headers['x-user']?.toString(), ...routes === undefined ? {} : { routes: [...routes] } }
    await app.register(permit, options)
    app.addHook('onRoute', route => { if (route.url === url) Object.assign(route, change) })
    if (except !== undefined) app.permit.require('task:c', { except })
    app.get('/docs/other', async () => 'other')
    app.route({
      method: method as 'GET',
      url,
      config: annotation === undefined ? {} : { permit: annotation },
      handler: async request => { ran.push(`${request.method} ${String(request.headers['x-user'])}`); return 'ran' }
    })
    await app.ready()
    for (const method of ['GET', 'POST', 'DELETE'] as const) {
      for (const user of Object.keys(POLICY.users)) await app.inject({ method, url: change.url ?? url, headers: { 'x-user': user } })
    }
    return ran
  } catch (error) {
    if ((error as { code?: string }).code !== 'FST_PERMIT_ANNOTATION') throw error
    return undefined
  } finally {
    await app.close()
  }
}

const MAP = { GET: 'task:a', POST: 'task:b', '*': 'task:c' } as const
const byMap = (method: string): Permission => method === 'GET' || method === 'POST' ? MAP[method] : 'task:c'
const all = ['a', 'b', 'c', 'nobody']

t.test('a method that a later hook adds is not decided by what another method requires', async t => {
  t.equal(await play({ method: 'GET', url: '/x', permit: MAP, change: { method: ['GET', 'POST'] } }), undefined)
  t.equal(await play({ method: 'GET', url: '/docs/x', routes: [{ url: '/docs/*', permit: MAP }], change: { method: 'DELETE' } }), undefined)
})

t.test('a URL that a later hook sets is covered by the option routes, or the app does not start', async t => {
  t.equal(await play({ method: 'GET', url: '/x', routes: [{ url: '/docs/*', permit: 'task:a' }], change: { url: '/docs/x' } }), undefined)
})

t.test('an exception is not for the URL that a later hook sets', async t => {
  t.equal(await play({ method: 'GET', url: '/x', except: ['/x', '/docs/other'], change: { url: '/docs/x' } }), undefined)
})

t.test('a change without a consequence is none of the plugin\'s business', async t => {
  t.strictSame(await play({ method: 'GET', url: '/x', permit: 'task:a', change: { url: '/y', method: ['GET', 'POST'] } }), ['GET a', 'POST a'])
  t.strictSame(await play({ method: 'GET', url: '/x', change: { url: '/y' } }), all.map(user => `GET ${user}`))
})

t.test('random changes of random routes let nobody in', async t => {
  const url = fc.constantFrom('/x', '/docs/x', '/Docs/x', '/docs')
  const methods = fc.uniqueArray(fc.constantFrom('GET', 'POST', 'DELETE'), { minLength: 1 })
  const world = fc.record({
    method: methods,
    url,
    annotation: fc.constantFrom<Annotation | undefined>(undefined, 'task:a', MAP),
    entry: fc.option(fc.record({ url: fc.constantFrom('/docs/*', '/x', '/docs/x'), permit: fc.constantFrom<Annotation>('task:b', MAP) }), { nil: undefined }),
    except: fc.option(fc.constantFrom(['/x'], ['/docs/*'], ['GET /x', 'POST /docs/x']), { nil: undefined }),
    change: fc.record({ method: methods, url: fc.constantFrom('/x', '/docs/x', '/docs/y') }, { requiredKeys: [] })
  })
  let started = 0
  let refused = 0
  await assertCounted(fc.asyncProperty(world, async ({ method, url, annotation, entry, except, change }) => {
    const now = change.url ?? url
    const isIn = (pattern: string): boolean => pattern.endsWith('/*') ? `${now}/`.startsWith(pattern.slice(0, -1)) : now === pattern
    const isCovered = entry !== undefined && (entry.url === '/docs/*' ? /^\/docs(\/|$)/i.test(now) : now === entry.url)
    const required = annotation ?? (isCovered ? entry.permit : undefined)
    const needs = (method: string): Permission[] => {
      const isExcepted = except?.some(pattern => isIn(pattern.replace(/^\S+ /, '')) && (pattern.startsWith('/') || pattern.startsWith(`${method} `)))
      const own = required === MAP ? byMap(method) : required as Permission | undefined
      return [...own === undefined ? [] : [own], ...except !== undefined && isExcepted !== true ? ['task:c' as const] : []]
    }
    const ran = await play({
      method,
      url,
      ...annotation === undefined ? {} : { permit: annotation },
      ...entry === undefined ? {} : { routes: [entry] },
      ...except === undefined ? {} : { except: [...except, '/docs/other'] },
      change: change as World['change']
    })
    if (ran === undefined) refused++
    else started++
    for (const call of ran ?? []) {
      const [method = '', user] = call.split(' ')
      const wrong = needs(method).find(permission => permission !== `task:${user}`)
      if (wrong !== undefined) throw new Error(`${call} reached ${now} without ${wrong}`)
    }
  }), { numRuns: 120 }, () => {
    t.ok(started > 10, `${started} apps started`)
    t.ok(refused > 10, `${refused} apps did not start`)
  })
})
