// What `fastify-permit/nest` does for resolvers of GraphQL, for whichever version of NestJS: the test of each hands its modules in.
import { on, once } from 'node:events'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import type * as Entry from '../../src/nest/index.js'
import { policy } from '../graphql/tasks-policy.js'
import { pdpFor } from '../support/app.js'
import { classOf, decorate, requiredIn, WORLDS, type Class, type Decorator, type Said } from './decorate.js'

/** What the test takes of `@nestjs/common`. */
interface Common {
  Module (parts: object): Decorator
  UseGuards (...guards: unknown[]): Decorator
  UseInterceptors (...interceptors: unknown[]): Decorator
  Injectable (options?: object): Decorator
  Controller (path: string): Decorator
  Get (path: string): Decorator
  HttpException: new (...args: never[]) => Error
  Scope: { readonly REQUEST: unknown }
}

/** What the test takes of `@nestjs/graphql`. */
interface GraphQL {
  GraphQLModule: { forRoot (options: object): object }
  Resolver (name?: string): Decorator
  Query (name: string): Decorator
  Mutation (name: string): Decorator
  Subscription (name: string, options?: object): Decorator
  ResolveField (name: string): Decorator
  ResolveReference (): Decorator
  Args (name: string): Decorator
  Parent (): Decorator
  Context (): Decorator
}

interface App {
  useGlobalGuards (guard: object): unknown
  useLogger (logger: object): unknown
  listen (port: number, host: string): Promise<unknown>
  getUrl (): Promise<string>
  close (): Promise<void>
}

export interface NestWithGraphQL {
  readonly common: Common
  readonly entry: typeof Entry
  readonly graphql: GraphQL
  readonly driver: unknown
  readonly create: (module: never) => Promise<App>
}

interface Context { readonly req?: { user?: unknown, headers: Record<string, string | undefined>, permit?: Entry.RequestPermit } }

/** An authentication that is Nest's own: before it, nobody is known. */
const authenticating = {
  canActivate (context: { getArgs (): unknown[] }) {
    const request = (context.getArgs()[context.getArgs().length - 2] as Context).req
    const name = request?.headers['x-user']
    if (request !== undefined && name !== undefined) request.user = { sub: name }
    return true
  }
}

interface Answer {
  readonly data: Record<string, unknown> | null
  readonly errors?: ReadonlyArray<{ readonly message: string, readonly path: readonly unknown[], readonly extensions?: { readonly code?: string } }>
}

export function testResolvers (version: number, nest: NestWithGraphQL): void {
  const { common: { Module, UseGuards, UseInterceptors, Injectable, Controller, Get, Scope }, entry: { Permit, Public, PermitModule }, graphql, driver, create } = nest
  const { GraphQLModule, Resolver, Query, Mutation, Subscription, ResolveField, ResolveReference, Args, Parent, Context } = graphql
  const title = `NestJS ${version}`
  const says = (said: Said): Decorator[] => said === undefined ? [] : [said === 'public' ? Public() : Permit(said)] as Decorator[]
  const FIELDS = { fieldResolverEnhancers: ['guards'] }

  const start = async (t: Test, typeDefs: string, providers: unknown[], { options = {}, settings = {}, controllers = [], guard = authenticating }: { options?: object, settings?: object, controllers?: unknown[], guard?: object } = {}) => {
    class AppModule {}
    const user = (request: Entry.NestRequest) => (request.user as { sub?: string } | undefined)?.sub
    decorate(AppModule, [Module({ imports: [PermitModule.forRoot({ policy, user, ...options } as never), GraphQLModule.forRoot({ driver, typeDefs, ...settings })], providers, controllers })])
    const app = await create(AppModule as never)
    t.teardown(() => app.close())
    app.useGlobalGuards(guard)
    await app.listen(0, '127.0.0.1')
    const url = (await app.getUrl()).replace('[::1]', '127.0.0.1')
    const ask = async (query: string, user?: string): Promise<Answer> => {
      const answer = await fetch(`${url}/graphql`, { method: 'POST', body: JSON.stringify({ query }), headers: { 'content-type': 'application/json', ...user === undefined ? {} : { 'x-user': user } } })
      return await answer.json() as Answer
    }
    const codes = async (query: string, user?: string) => (await ask(query, user)).errors?.map(({ extensions }) => extensions?.code) ?? []
    return { app, url, ask, codes }
  }

  t.test(`${title}: resolvers are decided after Nest's guards; the method wins; templates are filled in from the arguments`, async t => {
    const ran: string[] = []
    class Tasks {
      list () { ran.push('list'); return [{ id: '1' }] }
      update (id: string) { ran.push(`update ${id}`); return id }
      open () { return 'open' }
      asked (context: Context) { return context.req?.permit?.check('create', 'task').then(String) }
      byRequest () { return 'by request' }
    }
    decorate(Tasks, [Resolver('Task'), Permit('task:create')], {
      list: [Permit('task:read'), Query('tasks')],
      update: [Mutation('update'), Permit({ action: 'update', resource: 'task:{id}' }), UseGuards(authenticating)],
      open: [Public(), Query('open')],
      asked: [Query('asked'), Permit('task:read')],
      byRequest: [Query('byRequest'), Permit(request => ({ action: 'update', resource: { type: 'task', key: (request.graphql?.args as { of: { id: string } }).of.id } }))]
    })
    Args('id')(Tasks.prototype, 'update', 0)
    Context()(Tasks.prototype, 'asked', 0)
    const { ask, codes } = await start(t, `
      type Task { id: ID! } input Of { id: ID! }
      type Query { tasks: [Task], open: String, asked: String, byRequest(of: Of!): String }
      type Mutation { update(id: ID!): String }
    `, [Tasks], { options: { strict: true } })
    t.same([await codes('{ tasks { id } }'), await codes('{ tasks { id } }', 'eve')], [['FST_PERMIT_UNAUTHENTICATED'], ['FST_PERMIT_FORBIDDEN']])
    t.match(await ask('{ tasks { id } }', 'eve'), { errors: [{ message: 'You are not allowed to do this.', path: ['tasks'] }] })
    t.same(ran, [])
    t.same((await ask('{ tasks { id } open }', 'vic')).data, { tasks: [{ id: '1' }], open: 'open' })
    t.same((await ask('{ open asked }', 'vic')).data, { open: 'open', asked: 'false' })
    t.same((await ask('mutation { update(id: "7") }', 'vic')).data, { update: '7' })
    for (const id of ['8', '', '7 ', 'task:7', '{id}']) t.same(await codes(`mutation { update(id: ${JSON.stringify(id)}) }`, 'vic'), ['FST_PERMIT_FORBIDDEN'], id)
    t.same(ran, ['list', 'update 7'])
    t.same([(await ask('{ byRequest(of: { id: "7" }) }', 'vic')).data, await codes('{ byRequest(of: { id: "8" }) }', 'vic')], [{ byRequest: 'by request' }, ['FST_PERMIT_FORBIDDEN']])
    // Several fields of one query share the request, and each is decided by itself.
    t.match(await ask('mutation { a: update(id: "8") b: update(id: "7") c: update(id: "9") }', 'vic'), { data: { a: null, b: '7', c: null } })
  })

  t.test(`${title}: each denial is one line, of a guard, a field, a missing argument and a resolver's own check alike`, async t => {
    class Tasks {
      all () { return 'all' }
      one () { return 'one' }
      async own (context: Context) { await context.req?.permit?.assert('create', 'task'); return 'own' }
    }
    decorate(Tasks, [Resolver()], {
      all: [Query('all'), Permit('task:create')],
      one: [Query('one'), Permit({ action: 'update', resource: 'task:{id}' })],
      own: [Query('own'), Public()]
    })
    Context()(Tasks.prototype, 'own', 0)
    const { app, codes } = await start(t, 'type Query { all: String one(id: ID): String own: String }', [Tasks])
    const lines: string[] = []
    const keep = (said: unknown) => { lines.push(String(said)) }
    app.useLogger({ log: keep, error: keep, warn: keep, debug: keep, verbose: keep })
    for (const query of ['{ all }', '{ one }', '{ one(id: "8") }', '{ own }']) {
      lines.length = 0
      t.equal((await codes(query, 'vic')).length, 1, query)
      t.equal(lines.length, 1, query)
      t.match(lines, [/^permit: denied .*"user":"vic".*"resource":"task/], query)
    }
  })

  t.test(`${title}: roles of a token decide for their own request only`, async t => {
    class Tasks { create () { return 'in' } }
    decorate(Tasks, [Resolver()], { create: [Query('create'), Permit('task:create')] })
    const { codes } = await start(t, 'type Query { create: String }', [Tasks], { options: { roles: ({ user }: { user?: { sub?: string } }) => user?.sub === 'zoe' ? ['writer'] : undefined } })
    t.same(await Promise.all([codes('{ create }', 'zoe'), codes('{ create }', 'eve'), codes('{ create }', 'ann')]), [[], ['FST_PERMIT_FORBIDDEN'], []])
  })

  t.test(`${title}: fields are guarded with their object, in one batch; without guards on fields the app does not start`, async t => {
    const pdp = await pdpFor(t, { decide: ({ user, action, resource }) => user.key === 'ann' || (action === 'read' && resource.key !== '5') })
    class Tasks {
      list () { return Array.from({ length: 40 }, (_, index) => ({ id: String(index) })) }
      secret ({ id }: { id: string }) { return `secret ${id}` }
      title () { return 'title' }
      whole () { return 'whole' }
      owner () { return 'owner' }
      first () { return { id: '5' } }
    }
    decorate(Tasks, [Resolver('Task')], {
      list: [Query('tasks'), Permit('task:read')],
      first: [Query('first'), Permit('task:read')],
      secret: [ResolveField('secret'), Permit(({ graphql }) => ({ action: 'read', resource: { type: 'task', key: (graphql?.root as { id: string }).id } }))],
      owner: [ResolveField('owner'), Permit({ action: 'read', resource: 'task:{of}' })],
      title: [ResolveField('title')],
      whole: [ResolveField('whole'), Permit('task:create')]
    })
    Parent()(Tasks.prototype, 'secret', 0)
    const typeDefs = 'type Task { id: ID! secret: String title: String whole: String owner(of: Int): String } type Query { tasks: [Task] first: Task }'
    const options = { policy: undefined, pdp: pdp.url, token: pdp.token, cache: false, strict: true }
    await t.rejects(start(t, typeDefs, [Tasks], { options }), { code: 'FST_PERMIT_ANNOTATION', message: /no effect on Tasks\.secret, Tasks\.whole, Tasks\.owner[^]*fieldResolverEnhancers/ })
    const { ask, codes } = await start(t, typeDefs, [Tasks], { options, settings: FIELDS })
    const { data, errors } = await ask('{ tasks { secret } }', 'vic')
    t.same((data?.tasks as Array<{ secret: string | null }>).map(({ secret }) => secret), Array.from({ length: 40 }, (_, index) => index === 5 ? null : `secret ${index}`))
    t.match(errors, [{ path: ['tasks', 5, 'secret'], extensions: { code: 'FST_PERMIT_FORBIDDEN' } }])
    t.ok(pdp.requests.length < 10, `${pdp.requests.length} requests for 41 checks`)
    t.same((await ask('{ first { id title } }', 'vic')).data, { first: { id: '5', title: 'title' } })
    t.same([await codes('{ first { secret whole } }', 'vic'), await codes('{ first { a: owner(of: 4) b: owner(of: 5) c: owner } }', 'vic')], [['FST_PERMIT_FORBIDDEN', 'FST_PERMIT_FORBIDDEN'], ['FST_PERMIT_FORBIDDEN', 'FST_PERMIT_FORBIDDEN']])
    await pdp.close()
    t.same(await codes('{ first { id } }', 'vic'), ['FST_PERMIT_UNAVAILABLE'])
  })

  t.test(`${title}: what a base class declares, and what overrides it, is decided for resolvers as for controllers, of one request as of the app`, async t => {
    const ran: string[] = []
    const scopes = [{}, { scope: Scope.REQUEST }]
    const all = scopes.flatMap((options, scope) => WORLDS.map((world, index) => ({ world, options, name: `w${scope}_${index}` })))
    const resolvers = all.map(({ world, options, name }) => classOf(world, name, says, Query(name), [Resolver(), Injectable(options)], ran))
    const { ask } = await start(t, `type Query { ${all.map(({ name }) => `${name}: String`).join(' ')} }`, resolvers)
    const { data, errors = [] } = await ask(`{ ${all.map(({ name }) => name).join(' ')} }`, 'vic')
    const wrong = all.filter(({ world, name }) => {
      const isDenied = requiredIn(world) === 'task:create'
      const code = errors.find(({ path }) => path[0] === name)?.extensions?.code
      return (data?.[name] === null) !== isDenied || code !== (isDenied ? 'FST_PERMIT_FORBIDDEN' : undefined) || ran.includes(name) === isDenied
    })
    t.same(wrong, [])
    t.ok(errors.length > 100 && ran.length > 100, 'both happen')
    t.same(Object.values((await ask(`{ ${all.map(({ name }) => name).join(' ')} }`, 'ann')).data ?? {}).filter(value => value === null), [])
  })

  t.test(`${title}: functions that are replaced on the instance, interceptors and hidden classes open nothing`, async t => {
    const ran: string[] = []
    class Rebound {
      constructor () { this.rebound = this.rebound.bind(this); this.field = this.field.bind(this) }
      rebound () { ran.push('rebound'); return { id: '1' } }
      field () { ran.push('field'); return 'field' }
      root () { return { id: '1' } }
    }
    const passing = { intercept: (_context: unknown, next: { handle (): unknown }) => { ran.push('interceptor'); return next.handle() } }
    decorate(Rebound, [Resolver('Task'), Injectable({ scope: Scope.REQUEST }), Permit('task:create')], { rebound: [Query('rebound'), UseInterceptors(passing)], field: [ResolveField('field')], root: [Query('root'), Public()] })
    const { ask } = await start(t, 'type Task { id: ID field: String } type Query { rebound: Task root: Task }', [Rebound], { settings: FIELDS })
    t.match(await ask('{ rebound { id } root { id field } }', 'vic'), { data: { rebound: null, root: { id: '1', field: null } } })
    t.notOk(ran.includes('rebound') || ran.includes('field'))

    class Hidden { hidden () { return 'hidden' } }
    decorate(Hidden, [Resolver()], { hidden: [Query('hidden'), Permit('task:create')] })
    for (const provider of [{ provide: 'hidden', useValue: new Hidden() }, { provide: 'hidden', useFactory: () => new Hidden() }]) {
      await t.rejects(start(t, 'type Query { hidden: String }', [provider]), { code: 'FST_PERMIT_ANNOTATION', message: /Hidden is provided as a value or by a factory/ })
    }
    class Silent { hidden () { return 'hidden' } }
    decorate(Silent, [Resolver()], { hidden: [Query('hidden')] })
    const asValue = [{ provide: 'hidden', useValue: new Silent() }]
    await t.rejects(start(t, 'type Query { hidden: String }', asValue, { options: { strict: true } }), { message: /Silent is provided as a value/ })
    t.same((await (await start(t, 'type Query { hidden: String }', asValue)).ask('{ hidden }')).data, { hidden: 'hidden' })
    t.same((await (await start(t, 'type Query { hidden: String }', [{ provide: 'hidden', useClass: Silent }])).ask('{ hidden }')).data, { hidden: 'hidden' })
  })

  t.test(`${title}: strict refuses queries, mutations, subscriptions and references without a declaration, and decorators without effect stop the app`, async t => {
    class Silent {
      query () { return '' }
      mutation () { return '' }
      subscription () { return '' }
      reference () { return '' }
      field () { return '' }
      open () { return '' }
    }
    decorate(Silent, [Resolver('Task')], { query: [Query('query')], mutation: [Mutation('mutation')], subscription: [Subscription('subscription')], reference: [ResolveReference()], field: [ResolveField('field')], open: [Query('open'), Public()] })
    const typeDefs = 'type Task { id: ID } type Query { id: ID }'
    await t.rejects(start(t, typeDefs, [Silent], { options: { strict: true } }), { code: 'FST_PERMIT_UNDECLARED', message: /4 handlers say [^]*Silent\.query\n {2}Silent\.mutation\n {2}Silent\.subscription\n {2}Silent\.reference\nAdd/ })
    const refused = async (type: Class, message: RegExp, methods: Record<string, Decorator[]>, ofClass: Decorator[] = []) => {
      decorate(type, [Resolver('Task'), ...ofClass], methods)
      await t.rejects(start(t, typeDefs, [type]), { code: 'FST_PERMIT_ANNOTATION', message })
    }
    await refused(class Map { id () { return '' } }, /@Permit of Map\.id: .*HTTP method/, { id: [Query('id'), Permit({ GET: 'task:read' })] })
    await refused(class Url { id () { return '' } }, /@Permit of Url\.id: .*/, { id: [Query('id'), Permit('url')] })
    await refused(class Helper { id () { return '' }; help () { return '' } }, /no effect on Helper\.help/, { id: [Query('id')], help: [Permit('task:read')] })
    await refused(class Typing { __resolveType () { return '' } }, /no effect on Typing\.__resolveType/, { __resolveType: [ResolveField('__resolveType'), Permit('task:read')] })
    await refused(class Disguise { __resolveType () { return '' } }, /no effect on Disguise\.__resolveType/, { __resolveType: [Query('id'), Permit('task:read')] })
    await refused(class Reference { of () { return '' } }, /no effect on Reference\.of[^]*fieldResolverEnhancers/, { of: [ResolveReference(), Permit('task:read')] })
    await refused(class Wrong { id () { return '' } }, /@Permit of Wrong\.id: .*did you mean 'task:read'/, { id: [Query('id'), Permit('task.read' as 'task:read')] })
  })

  t.test(`${title}: one class may be a controller and a resolver, and each way in is decided`, async t => {
    class Both { list () { return 'both' } }
    decorate(Both, [Resolver(), Controller('both'), Permit('task:create')], { list: [Get(''), Query('both')] })
    const guard = {
      canActivate (context: { getType (): string, getArgs (): unknown[] }) {
        const request = (context.getType() === 'http' ? context.getArgs()[0] : (context.getArgs()[2] as Context).req) as { user?: object, headers: Record<string, string> }
        request.user = { sub: request.headers['x-user'] }
        return true
      }
    }
    const { url, ask, codes } = await start(t, 'type Query { both: String }', [Both], { controllers: [Both], guard })
    const status = async (user: string) => (await fetch(`${url}/both`, { headers: { 'x-user': user } })).status
    t.same([await status('vic'), await status('ann'), await codes('{ both }', 'vic'), (await ask('{ both }', 'ann')).data], [403, 200, ['FST_PERMIT_FORBIDDEN'], { both: 'both' }])
  })

  t.test(`${title}: a subscription is decided before it starts`, async t => {
    const began: string[] = []
    class Ticks {
      none () { return '' }
      async * ticks () { began.push('ticks'); yield { ticks: 1 }; yield { ticks: 2 } }
    }
    decorate(Ticks, [Resolver()], { none: [Query('none'), Public()], ticks: [Subscription('ticks'), Permit('task:create')] })
    const subscription = { context: (_socket: unknown, request: object) => ({ req: request }) }
    const { url } = await start(t, 'type Query { none: String } type Subscription { ticks: Int }', [Ticks], { settings: { subscription }, options: { strict: true } })
    const subscribe = async (user: string) => {
      const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', { headers: { 'x-user': user } })
      t.teardown(() => { socket.terminate() })
      await once(socket, 'open')
      const answers: Array<{ type: string, payload?: unknown }> = []
      socket.send(JSON.stringify({ type: 'connection_init' }))
      for await (const [message] of on(socket, 'message', { close: ['close'] }) as AsyncIterable<unknown[]>) {
        const answer = JSON.parse(String(message)) as { type: string, payload?: unknown }
        if (answer.type === 'connection_ack') socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query: 'subscription { ticks }' } }))
        else answers.push(answer)
        if (answer.type === 'complete' || answer.type === 'error') break
      }
      socket.terminate()
      return answers
    }
    const denied = JSON.stringify(await subscribe('vic'))
    t.match(denied, /You are not allowed/)
    t.same(began, [])
    t.match(await subscribe('ann'), [{ type: 'next', payload: { data: { ticks: 1 } } }, { type: 'next', payload: { data: { ticks: 2 } } }])
    t.same(began, ['ticks'])
  })
}
