// What `fastify-permit/nest` does in an app, for whichever version: the test of each hands its modules in.
import t, { type Test } from 'tap'
import type * as Entry from '../../src/nest/index.js'
import { policy } from '../graphql/tasks-policy.js'
import { pdpFor } from '../support/app.js'
import { classOf, decorate, requiredIn, WORLDS, type Decorator } from './decorate.js'
import { authzenPdpFor } from '../support/authzen-pdp.js'

/** What the test takes of `@nestjs/common`. */
interface Common {
  Controller (path: string): Decorator
  Get (path: string): Decorator
  Post (path: string): Decorator
  All (path: string): Decorator
  Module (parts: object): Decorator
  UseGuards (...guards: unknown[]): Decorator
  UseInterceptors (...interceptors: unknown[]): Decorator
  Req (): Decorator
  Injectable (): Decorator
  HttpException: new (...args: never[]) => Error
  Catch (type: unknown): Decorator
}

interface App {
  useLogger (logger: object): unknown
  init (): Promise<unknown>
  useGlobalGuards (guard: object): unknown
  useGlobalFilters (filter: object): unknown
  listen (port: number, host: string): Promise<unknown>
  getUrl (): Promise<string>
  close (): Promise<void>
  get (token: unknown): unknown
}

export interface Nest {
  readonly common: Common
  readonly entry: typeof Entry
  readonly adapters: Readonly<Record<string, (module: never) => Promise<App>>>
}

/** An authentication that is Nest's own: before it, nobody is known. */
const authenticating = {
  canActivate (context: { switchToHttp (): { getRequest (): { user?: unknown, headers: Record<string, string | undefined> } } }) {
    const request = context.switchToHttp().getRequest()
    const name = request.headers['x-user']
    if (name !== undefined) request.user = { sub: name }
    return true
  }
}

interface Stream { subscribe (to: unknown): unknown }

/** What an interceptor may return: an Observable of a class of its own, which takes no function, as RxJS's Subjects. */
function relay (source: Stream): Stream {
  class Relay extends (source.constructor as new (subscribe: (to: unknown) => unknown) => Stream) {
    constructor () {
      super(to => source.subscribe(to))
    }
  }
  return new Relay()
}

export function testModule (version: number, nest: Nest): void {
  const { common: { Controller, Get, Post, All, Module, UseGuards, UseInterceptors, Req, Catch, HttpException }, entry: { Permit, Public, InjectPermit, PERMIT, PermitModule }, adapters } = nest

  for (const [adapter, create] of Object.entries(adapters)) {
    const title = `NestJS ${version} on ${adapter}`
    const start = async (t: Test, controllers: unknown[], options: Partial<Entry.PermitModuleOptions> = {}, more: object = {}, before: (app: App) => void = () => {}) => {
      class AppModule {}
      decorate(AppModule, [Module({ imports: [PermitModule.forRoot({ policy, ...options } as Entry.PermitModuleOptions)], controllers, ...more })])
      const app = await create(AppModule as never)
      t.teardown(() => app.close())
      before(app)
      await app.listen(0, '127.0.0.1')
      const url = (await app.getUrl()).replace('[::1]', '127.0.0.1')
      const ask = async (path: string, user?: string, method = 'GET') => {
        const answer = await fetch(`${url}${path}`, { method, headers: user === undefined ? {} : { 'x-user': user } })
        const text = await answer.text()
        return { status: answer.status, headers: answer.headers, text, body: (text.startsWith('{') ? JSON.parse(text) : undefined) as Record<string, unknown> | undefined }
      }
      return { app, ask, status: async (path: string, user?: string, method?: string) => (await ask(path, user, method)).status }
    }

    t.test(`${title}: a permission of the handlers is asked at boot, and health says what the PDP said`, async t => {
      const pdp = await authzenPdpFor(t, {
        answersProbes: true,
        intercept ({ url }, response) {
          if (!url.endsWith('/evaluation')) return false
          const text = '{"message":"no model"}'
          response.writeHead(400, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }).end(text)
          return true
        }
      })
      class Tasks { update () { return 'updated' } }
      decorate(Tasks, [Controller('tasks')], { update: [Get(':id'), Permit({ action: 'update', resource: 'task:{id}' })] })
      const { app } = await start(t, [Tasks], { policy: undefined, pdp: pdp.url, protocol: 'authzen', user: () => 'ann', timeout: 10_000 })
      t.match(pdp.to('/access/v1/evaluation').map(({ body }) => body), [{ action: { name: 'update' }, resource: { type: 'task', id: 'fastify-permit-probe' } }])
      t.match(await (app.get(PERMIT) as { health (): Promise<object> }).health(), { ok: false, reason: /no model/ })
    })

    t.test(`${title}: @Permit is decided after the guards of the app, the controller and the method; the method wins; templates come from params`, async t => {
      class Tasks {
        list () { return 'list' }
        create () { return 'created' }
        update () { return 'updated' }
        open () { return 'open' }
        byController () { return 'by controller' }
        asked (request: Entry.NestRequest) { return request.permit?.check('create', 'task').then(String) }
        whole () { return 'whole' }
      }
      decorate(Tasks, [Controller('tasks'), Permit('task:create')], {
        list: [Permit('task:read'), Get(''), UseGuards(authenticating)],
        create: [Post(''), UseGuards(authenticating)],
        // Above and below the guard that authenticates: the order makes no difference.
        update: [Get(':id/update'), UseGuards(authenticating), Permit({ action: 'update', resource: 'task:{id}' })],
        open: [Public(), Get('open')],
        byController: [Get('by-controller'), UseGuards(authenticating)],
        asked: [Get('asked'), Permit('task:read'), UseGuards(authenticating)],
        whole: [All('whole'), Permit({ GET: 'task:read', '*': 'task:create' }), UseGuards(authenticating)]
      })
      Req()(Tasks.prototype, 'asked', 0)
      const { ask, status } = await start(t, [Tasks], { strict: true })
      t.same([await status('/tasks'), await status('/tasks', 'eve'), await status('/tasks', 'vic')], [401, 403, 200])
      t.same([await status('/tasks', undefined, 'POST'), await status('/tasks', 'vic', 'POST'), await status('/tasks', 'ann', 'POST')], [401, 403, 201])
      t.same([await status('/tasks/7/update', 'ann'), await status('/tasks/7/update', 'vic'), await status('/tasks/8/update', 'vic')], [403, 200, 403])
      t.same([await status('/tasks/open'), await status('/tasks/by-controller', 'vic'), await status('/tasks/by-controller', 'ann')], [200, 403, 200])
      t.same([(await ask('/tasks/asked', 'vic')).text, (await ask('/tasks/asked', 'ann')).text], ['false', 'true'])
      t.same([await status('/tasks/whole', 'vic'), await status('/tasks/whole', 'vic', 'PUT'), await status('/tasks/whole', 'ann', 'PUT'), await status('/tasks/whole', 'vic', 'HEAD')], [200, 403, 200, 200])
      t.same([await status('/tasks', undefined, 'HEAD'), await status('/tasks/', 'eve'), await status('/TASKS', 'eve') % 2 === 0], [401, adapter === 'Express' ? 403 : 404, adapter === 'Fastify'])
      t.match(await ask('/tasks', 'eve'), { body: { statusCode: 403, error: 'Forbidden', code: 'FST_PERMIT_FORBIDDEN', message: 'You are not allowed to do this.' } })
      t.match(await ask('/tasks'), { body: { statusCode: 401, error: 'Unauthorized', code: 'FST_PERMIT_UNAUTHENTICATED' } })
    })

    t.test(`${title}: a guard of the whole app authenticates first, exception filters catch Nest's exceptions, and the checks are injected`, async t => {
      class Tasks {
        constructor (readonly permit: Entry.PermitService) {}
        list () { return 'list' }
        async job () { return String(await this.permit.check('ann', 'create', 'task')) }
      }
      InjectPermit()(Tasks, undefined as never, 0)
      decorate(Tasks, [Controller('tasks')], { list: [Get(''), Permit('task:read')], job: [Get('job')] })
      class Filter {
        catch (error: Error & { getStatus (): number }, host: { switchToHttp (): { getResponse (): { status (code: number): { send (body: object): void } } } }) {
          host.switchToHttp().getResponse().status(error.getStatus()).send({ filtered: (error.cause as { code?: string }).code })
        }
      }
      decorate(Filter, [Catch(HttpException)])
      const { app, ask, status } = await start(t, [Tasks], {}, {}, app => { app.useGlobalGuards(authenticating); app.useGlobalFilters(new Filter()) })
      t.same([await status('/tasks', 'vic'), (await ask('/tasks/job')).text], [200, 'true'])
      t.match(await ask('/tasks', 'eve'), { status: 403, body: { filtered: 'FST_PERMIT_FORBIDDEN' } })
      t.equal(await (app.get(PERMIT) as Entry.PermitService).check('vic', 'create', 'task'), false)
    })

    t.test(`${title}: a denial is one line, and Nest's exception, of a guard and of a controller's own check alike`, async t => {
      class Tasks {
        guarded () { return 'in' }
        async own (request: Entry.NestRequest) { await request.permit?.assert('create', 'task'); return 'in' }
        async later (request: Entry.NestRequest) { return new Promise((resolve, reject) => { setImmediate(() => { request.permit?.assert('create', 'task').then(resolve, reject) }) }) }
        async relayed (request: Entry.NestRequest) { await request.permit?.assert('create', 'task'); return 'in' }
        async mistake () { throw new Error('a mistake') }
      }
      const relaying = { intercept: (_context: unknown, next: { handle (): Stream }) => relay(next.handle()) }
      decorate(Tasks, [Controller('tasks'), Public()], { guarded: [Get('guarded'), Permit('task:create')], own: [Get('own')], later: [Get('later')], relayed: [Get('relayed'), UseInterceptors(relaying)], mistake: [Get('mistake')] })
      for (const name of ['own', 'later', 'relayed']) Req()(Tasks.prototype, name, 0)
      const { app, ask } = await start(t, [Tasks], { user: request => request.headers['x-user'] as string | undefined })
      const lines: string[] = []
      const keep = (said: unknown) => { lines.push(String(said)) }
      app.useLogger({ log: keep, error: keep, warn: keep, debug: keep, verbose: keep })
      for (const path of ['guarded', 'own', 'later', 'relayed']) {
        lines.length = 0
        t.match(await ask(`/tasks/${path}`, 'vic'), { status: 403, body: { statusCode: 403, code: 'FST_PERMIT_FORBIDDEN', error: 'Forbidden', message: 'You are not allowed to do this.' } }, path)
        t.equal(lines.length, 1, path)
        t.match(lines, [/^permit: denied .*"user":"vic","action":"create"/], path)
        t.match(await ask(`/tasks/${path}`), { status: 401, body: { code: 'FST_PERMIT_UNAUTHENTICATED' } }, path)
        t.equal(lines.length, 1, 'a request of nobody is no denial')
      }
      t.match(await ask('/tasks/relayed', 'ann'), { status: 200, text: 'in' })
      lines.length = 0
      t.match(await ask('/tasks/mistake', 'vic'), { status: 500 })
      t.match(lines, [/a mistake/], 'other errors are in the log as before')
    })

    t.test(`${title}: roles of a token decide for their own request only`, async t => {
      class Tasks {
        create () { return 'in' }
        async own (request: Entry.NestRequest) { return String(await request.permit?.check('create', 'task')) }
      }
      decorate(Tasks, [Controller('tasks')], { create: [Get('create'), Permit('task:create')], own: [Get('own'), Public()] })
      Req()(Tasks.prototype, 'own', 0)
      const claims = (request: Entry.NestRequest) => JSON.parse(request.headers['x-user'] as string) as { sub: string, roles: string[] }
      const { status, ask } = await start(t, [Tasks], { user: (request: Entry.NestRequest) => claims(request).sub, roles: (request: Entry.NestRequest) => claims(request).roles } as Partial<Entry.PermitModuleOptions>)
      const asked = async (sub: string, ...roles: string[]) => {
        const token = JSON.stringify({ sub, roles })
        return [await status('/tasks/create', token), (await ask('/tasks/own', token)).text]
      }
      t.same(await Promise.all([asked('zoe', 'writer'), asked('zoe', 'reader'), asked('zoe'), asked('ann'), asked('zoe', 'writer')]), [[200, 'true'], [403, 'false'], [403, 'false'], [200, 'true'], [200, 'true']])
    })

    t.test(`${title}: no decision is 503 with Retry-After, in Nest's shape; the options may come from a factory`, async t => {
      const pdp = await pdpFor(t, { decide: () => true })
      class Tasks { list () { return 'list' } }
      decorate(Tasks, [Controller('tasks')], { list: [Get(''), Permit('task:read')] })
      class AppModule {}
      const events: string[] = []
      const useFactory = async () => ({
        pdp: pdp.url,
        token: pdp.token,
        cache: false as const,
        retries: 0,
        user: (request: Entry.NestRequest) => request.headers['x-user']?.toString(),
        onDecision: ({ outcome }: { outcome: string }) => { events.push(outcome) }
      })
      decorate(AppModule, [Module({ imports: [PermitModule.forRootAsync({ useFactory } as never)], controllers: [Tasks] })])
      const app = await create(AppModule as never)
      t.teardown(() => app.close())
      await app.listen(0, '127.0.0.1')
      const url = (await app.getUrl()).replace('[::1]', '127.0.0.1')
      t.equal((await fetch(`${url}/tasks`, { headers: { 'x-user': 'ann' } })).status, 200)
      await pdp.close()
      const answer = await fetch(`${url}/tasks`, { headers: { 'x-user': 'ann' } })
      t.match({ status: answer.status, after: answer.headers.get('retry-after'), body: await answer.json() }, { status: 503, after: '1', body: { statusCode: 503, error: 'Service Unavailable', code: 'FST_PERMIT_UNAVAILABLE' } })
      t.equal(events.length, 2)
    })

    t.test(`${title}: mistakes stop the app: strict, decorators without effect, invalid annotations and options`, async t => {
      class Silent { list () { return 'list' } }
      decorate(Silent, [Controller('silent')], { list: [Get('')] })
      await t.rejects(start(t, [Silent], { strict: true }), { code: 'FST_PERMIT_UNDECLARED', message: /one handler says [^]*Silent\.list/ })
      class Service { work () { return 'done' } }
      decorate(Service, [], { work: [Permit('task:read')] })
      await t.rejects(start(t, [], {}, { providers: [Service] }), { code: 'FST_PERMIT_ANNOTATION', message: /no effect on Service\.work/ })
      class Helper { list () { return 'list' }; help () { return 'help' } }
      decorate(Helper, [Controller('helper')], { list: [Get('')], help: [Permit('task:read')] })
      await t.rejects(start(t, [Helper]), { message: /no effect on Helper\.help/ })
      class Wrong { list () { return 'list' } }
      decorate(Wrong, [Controller('wrong')], { list: [Get(''), Permit('task.read' as 'task:read')] })
      await t.rejects(start(t, [Wrong]), { message: /@Permit of Wrong\.list: .*did you mean 'task:read'/ })
      await t.rejects(start(t, [], { onDenied: () => {} } as never), { code: 'FST_PERMIT_OPTIONS', message: /"onDenied".*exception filter/ })
      await t.rejects(start(t, [], { strict: {} } as never), /"strict".*true or false/)
    })

    t.test(`${title}: decorators of others that replace the function, inheritance, and an instance that replaces it open nothing`, async t => {
      const ran: string[] = []
      const replacing: Decorator = (_target, _name, descriptor) => {
        const { value } = descriptor as PropertyDescriptor
        const replaced = function (this: unknown, ...args: unknown[]): unknown { return (value as (...args: unknown[]) => unknown).apply(this, args) }
        for (const key of Reflect.getOwnMetadataKeys(value as object)) if (key !== '__guards__') Reflect.defineMetadata(key, Reflect.getMetadata(key, value as object), replaced)
        return { ...descriptor as PropertyDescriptor, value: replaced }
      }
      class Base { list () { ran.push('list'); return 'list' } }
      decorate(Base, [], { list: [replacing, Get(''), Permit('task:create')] })
      class Plain extends Base {}
      decorate(Plain, [Controller('plain')])
      class Own extends Base { override list () { ran.push('own'); return 'own' } }
      decorate(Own, [Controller('own')], { list: [Get('')] })
      class Rebound {
        constructor () { this.list = this.list.bind(this) }
        list () { ran.push('rebound'); return 'list' }
      }
      decorate(Rebound, [Controller('rebound'), Permit('task:create')], { list: [Get('')] })
      const { status } = await start(t, [Plain, Own, Rebound], { user: request => request.headers['x-user']?.toString() })
      for (const path of ['/plain', '/own']) t.same([await status(path), await status(path, 'vic'), await status(path, 'ann')], [401, 403, 200], path)
      t.same(ran, ['list', 'own'])
      t.ok([401, 404, 500].includes(await status('/rebound')), 'refused')
      t.notOk(ran.includes('rebound'))
    })

    t.test(`${title}: what a base class declares public opens neither what overrides it nor what a subclass adds`, async t => {
      const ran: string[] = []
      const says = (said: string | undefined): Decorator[] => said === undefined ? [] : [said === 'public' ? Public() : Permit(said as 'task:create')] as Decorator[]
      const controllers = WORLDS.map((world, index) => classOf(world, 'list', says, Get(''), [Controller(`w${index}`)], ran))
      const { status } = await start(t, controllers, { user: request => request.headers['x-user']?.toString() })
      for (const [index, world] of WORLDS.entries()) t.equal(await status(`/w${index}`, 'vic'), requiredIn(world) === 'task:create' ? 403 : 200, JSON.stringify(world))
      class Open { open () { return 'open' } }
      decorate(Open, [Public()], { open: [Get('open'), Public()] })
      class Silent extends Open { override open () { return 'not open' } }
      decorate(Silent, [Controller('silent')], { open: [Get('open')] })
      await t.rejects(start(t, [Silent], { strict: true }), { code: 'FST_PERMIT_UNDECLARED', message: /Silent\.open/ })
    })

    t.test(`${title}: an app that has closed, or has not started, leaves no guard on controllers that another app has`, async t => {
      class Tasks { list () { return 'list' } }
      decorate(Tasks, [Controller('tasks'), Permit('task:read')], { list: [Get('')] })
      const user = (request: Entry.NestRequest) => request.headers['x-user']?.toString()
      const first = await start(t, [Tasks], { user })
      t.equal(await first.status('/tasks', 'vic'), 200)
      await first.app.close()
      await t.rejects(start(t, [Tasks], { user, policy: { resources: { task: { actions: 1 } } } as never }), { code: 'FST_PERMIT_POLICY' })
      const second = await start(t, [Tasks], { user })
      t.same([await second.status('/tasks'), await second.status('/tasks', 'eve'), await second.status('/tasks', 'vic')], [401, 403, 200])
    })
  }
}

declare global {

  namespace Reflect {
    function getOwnMetadataKeys (target: object): string[]
    function getMetadata (key: string, target: object): unknown
    function defineMetadata (key: string, value: unknown, target: object): void
  }
}
