// URL mapping rules in Express 5 and 4: a guard declares its whole path, because Express does not tell it. However a URL is written, and whatever
// the settings of the routers, the rule that decides is that of the handler's own path.
import fc from 'fast-check'
import type { Request, RequestHandler, Response, Router } from 'express'
import t, { type Test } from 'tap'
import { guard, type Annotation, type PermitOptions } from '../../src/express/index.js'
import { pdpFor, TOKEN } from '../server/support.js'
import { assertCounted } from '../support/counted.js'
import { appOf, authzFor, byHeader, EXPRESSES, listen, silentLog, type Express } from '../support/express.js'
import { sendWritten, writtenUrls } from '../support/written-urls.js'

const base = 'https://app.example'

/** Where routers are mounted, outermost first. */
const PREFIXES = [[], ['/api'], ['/API'], ['/api', '/V1'], ['/:tenant'], ['/api', '/:tenant']] as const
const STRICT = ['/admin', '/Secret', '/docs/secret', '/Files/a/SECRET'] as const
const LAX = ['/:kind', '/docs/:id', '/files/:a/:b'] as const

const templateOf = (path: string) => path.replace(/:(\w+)/g, '{$1}')
const prefixes = PREFIXES.map(parts => parts.join(''))
const rules = (paths: readonly string[], resource: string, priority: number) => prefixes.flatMap(prefix => paths.map(path => (
  { url: base + templateOf(prefix + path), http_method: 'get', resource, action: 'read', priority })))

const policy: PermitOptions['policy'] = {
  resources: { page: { actions: { read: {} } }, secret: { actions: { read: {} } } },
  roles: { visitor: { permissions: ['page:read'] }, keeper: { permissions: ['secret:read', 'page:read'] } },
  users: { vic: {}, kim: {}, eve: {} },
  role_assignments: [{ user: 'vic', role: 'visitor' }, { user: 'kim', role: 'keeper' }],
  proxy_configs: {
    app: {
      mapping_rules: [
        ...rules(LAX, 'page', 0), ...rules(STRICT, 'secret', 1),
        { url: `${base}/list`, http_method: 'get', resource: 'page', action: 'read' },
        { url: `${base}/list?all={all}`, http_method: 'get', resource: 'secret', action: 'read', priority: 1 }
      ]
    }
  }
}

type Told = { path: string, params: Record<string, string> }

interface World {
  readonly prefix: typeof PREFIXES[number]
  readonly order: readonly string[]
  readonly sensitive: boolean
  readonly strict: boolean
  readonly isApp: boolean
  /** Whether every request first goes through a route that passes it on, which Express then keeps as the request's route. */
  readonly passesOn: boolean
}

const worlds: fc.Arbitrary<World> = fc.record({
  prefix: fc.constantFrom(...PREFIXES),
  order: fc.shuffledSubarray([...STRICT, ...LAX], { minLength: 5 }),
  sensitive: fc.boolean(),
  strict: fc.boolean(),
  isApp: fc.boolean(),
  passesOn: fc.boolean()
})

function build (express: Express, { prefix, order, sensitive, strict, isApp, passesOn }: World) {
  const settings = (app: ReturnType<Express>) => app.set('case sensitive routing', sensitive).set('strict routing', strict)
  const root = settings(appOf(express))
  const parts = prefix as readonly string[]
  let inner: Router = root
  for (const part of parts) {
    const next: Router = isApp && !part.includes(':') ? settings(appOf(express)) : express.Router({ caseSensitive: sensitive, strict, mergeParams: true })
    inner.use(part, next)
    inner = next
  }
  const byUrl = (path: string) => guard({ url: templateOf(parts.join('') + path) })
  const passOn: RequestHandler = (_request, _response, next) => { next() }
  if (passesOn) inner.get('/:kind', byUrl('/:kind'), passOn)
  for (const path of order) {
    inner.get(path, byUrl(path), (request: Request, response: Response) => { response.json({ path: parts.join('') + path, params: request.params }) })
  }
  return root
}

/** What the rules say of the handler that ran, read here from its own path: whether only the keeper may be in it. */
function isForKeepers ({ path, params }: Told): boolean {
  const filled = path.replace(/:(\w+)/g, (_, name: string) => params[name] as string)
  return prefixes.some(prefix => STRICT.some(strict => {
    const expected = (prefix + strict).split('/')
    const actual = filled.split('/')
    return expected.length === actual.length && expected.every((part, index) => part.startsWith(':') || part === actual[index])
  }))
}

for (const [version, express] of EXPRESSES) {
  async function appWith (t: Test, declare: (app: ReturnType<Express>) => void, options: Partial<PermitOptions> = {}) {
    const { log, lines: all } = silentLog()
    const lines = () => all.filter(({ message }) => message !== 'permit: ready')
    const authz = authzFor(t, { policy, user: byHeader, urls: { base }, log, ...options } as PermitOptions)
    const app = appOf(express)
    app.use(authz)
    declare(app)
    const { url, ask } = await listen(t, app)
    return { authz, ask, lines, port: Number(new URL(url).port), status: async (user: string | undefined, path: string) => (await ask(path, user)).status }
  }

  t.test(`${version}: the rules decide, with the embedded PDP and with a PDP over HTTP alike`, async t => {
    const pdp = await pdpFor(t, { policy })
    for (const options of [{}, { policy: undefined, pdp: pdp.url, token: TOKEN }] as Array<Partial<PermitOptions>>) {
      const { status } = await appWith(t, app => {
        for (const path of ['/list', '/admin', '/docs/:id']) app.get(path, guard({ url: templateOf(path) }), (_request, response) => { response.send('in') })
        app.get('/not/in/any/rule/:id', guard({ anyOf: ['secret:read', { url: '/not/in/any/rule/{id}' }] }), (_request, response) => { response.send('in') })
      }, options)
      // The very first request is decided, too, although the rules are not loaded yet.
      for (const [user, path, expected] of [
        ['vic', '/docs/7', 200], ['vic', '/list', 200], ['vic', '/list?page=2', 200], ['vic', '/list?all=1', 403], ['kim', '/list?all=1', 200], ['vic', '/list?x=1&x=2', 403],
        ['vic', '/list?x[y]=1&x[z]=2', version === 'Express 4' ? 403 : 200], ['vic', '/admin', 403], ['vic', '/ADMIN/', 403], ['kim', '/ADMIN/', 200], ['vic', '/docs/secret', 403],
        ['kim', '/docs/a%2Fb', 403], ['kim', '/docs/a%5Cb', 403], ['kim', '/docs/a%00', 403], ['kim', '/docs/a;b', 200], ['eve', '/docs/7', 403],
        [undefined, '/docs/7', 401], ['kim', '/not/in/any/rule/7', 200], ['vic', '/not/in/any/rule/7', 403]
      ] as const) t.equal(await status(user, path), expected, `${user} ${path}`)
    }
  })

  t.test(`${version}: the log names the declared path, and why a URL was refused`, async t => {
    const { status, lines } = await appWith(t, app => { app.get('/docs/:id', guard({ url: '/docs/{id}' }), (_request, response) => { response.send('in') }) })
    await status('kim', '/docs/a%2Fb')
    await status('vic', '/DOCS/secret?token=hush')
    t.match(lines().map(({ details }) => details), [
      { permit: { user: 'kim', code: 'ambiguous_url', reason: /more than one way/ } }, { permit: { user: 'vic', action: 'read', resource: 'secret' } }
    ])
    t.notMatch(JSON.stringify(lines()), /hush/)
  })

  t.test(`${version}: what cannot work is refused, and lets nobody in`, async t => {
    for (const [url, message] of [
      ['/tasks/:id', /write \{id\}/], ['tasks', /"tasks"/], ['/tasks/{id}x', /"\{id\}x"/], ['/a//b', /segment ""/], ['/a/../b', /"\.\."/], ['/a?b', /"a\?b"/], ['/files/*', /"\*"/],
      ['/%61', /"%61"/], [7, /url is 7/]
    ] as Array<[string, RegExp]>) t.throws(() => guard({ url }), { code: 'FST_PERMIT_ANNOTATION', message }, String(url))
    t.throws(() => guard({ anyOf: ['task:read', 'url'] }), { code: 'FST_PERMIT_ANNOTATION', message: /for Fastify only/ })
    t.throws(() => guard({ url: '/a', action: 'read' } as never), { code: 'FST_PERMIT_ANNOTATION', message: /"action" is not known/ })
    let ran = 0
    const handler = (_request: Request, response: Response) => { ran++; response.send('in') }
    const { status, lines } = await appWith(t, app => {
      app.get('/list', guard(request => ({ url: request.originalUrl }) as Annotation as never), handler)
      app.get('/admin', guard(() => 'url'), handler)
    })
    t.same([await status('kim', '/list'), await status('kim', '/admin')], [500, 500])
    t.match(lines().map(({ details }) => details), [{ err: { message: /a function returned \{ url \}/ } }, { err: { message: /for Fastify only/ } }])
    const without = await appWith(t, app => { app.get('/list', guard({ url: '/list' }), handler) }, { urls: undefined })
    t.equal(await without.status('kim', '/list'), 500)
    t.match(without.lines(), [{ details: { err: { message: /needs the option "urls"/ } } }])
    t.throws(() => without.authz.guard({ url: '/list' }), { code: 'FST_PERMIT_ANNOTATION', message: /needs the option "urls"/ })
    t.equal(ran, 0)
    const byAuthZen = authzFor.bind(undefined, t, { pdp: 'http://127.0.0.1:9', protocol: 'authzen', urls: { base } })
    t.throws(byAuthZen, { code: 'FST_PERMIT_OPTIONS', message: /"urls".*authzen/ })
  })

  t.test(`${version}: no way to write a URL opens a handler whose rule is stricter`, async t => {
    const authz = authzFor(t, { policy, user: byHeader, urls: { base } })
    await authz.ready()
    let current: ReturnType<Express> | undefined
    const { port } = await appWith(t, app => { app.use((request, response, next) => { current?.(request, response, next) }) })
    const seen = { lax: 0, strict: 0, mounted: 0 }
    const paths = prefixes.flatMap(prefix => [...STRICT, ...LAX].map(path => (prefix + path).replace(/:\w+/g, 'x')))
    await assertCounted(fc.asyncProperty(worlds, fc.array(writtenUrls(...paths), { minLength: 3, maxLength: 6 }), async (world, urls) => {
      current = appOf(express).use(build(express, world))
      for (const url of [...urls, ...paths.filter(path => path.startsWith(world.prefix.join('').replace(/:\w+/g, 'x'))).slice(0, 5)]) {
        const [byVic, byKim] = [await sendWritten(port, url, 'vic'), await sendWritten(port, url, 'kim')]
        if (byVic.status === 200) {
          const told = JSON.parse(byVic.body) as Told
          if (isForKeepers(told)) throw new Error(`vic reached ${byVic.body} by ${url}`)
          seen.lax++
          if (world.prefix.length > 0) seen.mounted++
        }
        if (byKim.status === 200 && isForKeepers(JSON.parse(byKim.body) as Told)) seen.strict++
      }
    }), { numRuns: 24, examples: [[{ prefix: ['/API'], order: [...STRICT, ...LAX], sensitive: false, strict: false, isApp: false, passesOn: true }, ['/api/ADMIN/', '/Api/%61dmin', '/API//admin', '/api/admin;x', '/api/x']]] }, () => {
      t.ok(seen.lax > 10 && seen.strict > 10 && seen.mounted > 5, JSON.stringify(seen))
    })
  })
}
