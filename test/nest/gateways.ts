// What `fastify-permit/nest` does for gateways and microservices, for whichever version of NestJS: the test of each hands its modules in.
import { EventEmitter, once } from 'node:events'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import type * as Entry from '../../src/nest/index.js'
import { policy } from '../graphql/tasks-policy.js'
import { pdpFor } from '../support/app.js'
import { classOf, decorate, requiredIn, WORLDS, type Class, type Decorator, type Said } from './decorate.js'

/** What the test takes of NestJS. */
interface Common {
  Module (parts: object): Decorator
  UseGuards (...guards: unknown[]): Decorator
  UseFilters (...filters: unknown[]): Decorator
  Injectable (options?: object): Decorator
  Controller (path?: string): Decorator
  Get (path: string): Decorator
  Scope: { readonly REQUEST: unknown }
}

interface WebSockets {
  WebSocketGateway (): Decorator
  SubscribeMessage (message: string): Decorator
  WsException: new (error: string) => Error
}

interface FilterHost {
  getType (): string
  switchToWs (): { getClient (): { send? (data: string): void, emit (event: string, data: object): void } }
  switchToHttp (): { getResponse (): { status (status: number): { send (body: object): unknown } } }
}

interface App {
  useGlobalGuards (guard: object): unknown
  useWebSocketAdapter (adapter: unknown): unknown
  listen (port: number, host: string): Promise<unknown>
  getUrl (): Promise<string>
  close (): Promise<void>
}

/** A client of socket.io. */
interface SocketIo {
  on (event: 'connect', listener: () => void): void
  onAny (listener: (event: string, data: unknown) => void): void
  emit (event: string, data: unknown): void
  disconnect (): void
}

// Each gateway adds listeners to the one server, and the tests have hundreds of gateways.
EventEmitter.defaultMaxListeners = 1_000

export interface NestWithGateways {
  readonly common: Common
  readonly entry: typeof Entry
  readonly websockets: WebSockets
  readonly microservices: { MessagePattern (pattern: string): Decorator, EventPattern (pattern: string): Decorator }
  readonly adapters: Readonly<Record<'ws' | 'socket.io', (app: never) => unknown>>
  readonly io: (url: string, options: object) => SocketIo
  readonly create: (module: never) => Promise<App>
}

interface Message { readonly event: string, readonly data: Record<string, unknown> }
interface Client { send (event: string, data: unknown): void, next (): Promise<Message> }
type Socket = Record<'name' | 'user', unknown> & { data?: { user?: unknown }, handshake?: { headers: Record<string, string> } }

/** Who connects is what the handshake says, as an app would verify a token of it. */
class Identity {
  handleConnection (client: Socket, request: { headers: Record<string, string> }) {
    client.name = (client.handshake ?? request).headers['x-user']
  }
}

/** A guard of NestJS that authenticates: before it, nobody is known. */
const authenticating = {
  canActivate (context: { getArgs (): unknown[], getType (): string }) {
    const [client] = context.getArgs() as [Socket & { headers: Record<string, string> }]
    if (context.getType() === 'http') client.user = { sub: client.headers['x-user'] }
    else if (client.name !== undefined && client.data !== undefined) client.data.user = { sub: client.name }
    else if (client.name !== undefined) client.user = { sub: client.name }
    return true
  }
}

/** NestJS 11 sends exceptions to clients of socket.io only: this is what docs/nest.md recommends for `ws`. */
const sending = {
  catch (error: Error & { getError? (): unknown, getStatus? (): number }, host: FilterHost) {
    if (host.getType() === 'ws') host.switchToWs().getClient().send?.(JSON.stringify({ event: 'exception', data: error.getError?.() ?? { status: 'error' } }))
    else host.switchToHttp().getResponse().status(error.getStatus?.() ?? 500).send({})
  }
}

export function testGateways (version: number, nest: NestWithGateways): void {
  const { common: { Module, UseGuards, UseFilters, Injectable, Controller, Get, Scope }, entry: { Permit, Public, PermitModule }, create } = nest
  const { websockets: { WebSocketGateway, SubscribeMessage, WsException }, microservices: { MessagePattern, EventPattern }, adapters, io } = nest
  const says = (said: Said): Decorator[] => said === undefined ? [] : [said === 'public' ? Public() : Permit(said)] as Decorator[]
  decorate(Identity, [WebSocketGateway()])

  const start = async (t: Test, adapter: keyof typeof adapters, providers: unknown[], { options = {}, controllers = [] }: { options?: object, controllers?: unknown[] } = {}) => {
    class AppModule {}
    const user = (request: Entry.NestRequest) => (request.user as { sub?: string } | undefined)?.sub
    decorate(AppModule, [Module({ imports: [PermitModule.forRoot({ policy, user, ...options } as never)], providers: [Identity, ...providers], controllers })])
    const app = await create(AppModule as never)
    t.teardown(() => app.close())
    app.useGlobalGuards(authenticating)
    app.useWebSocketAdapter(adapters[adapter](app as never))
    await app.listen(0, '127.0.0.1')
    const url = (await app.getUrl()).replace('[::1]', '127.0.0.1')
    return { url, connect: async (user?: string) => (adapter === 'ws' ? connectWs : connectIo)(t, url, user === undefined ? {} : { 'x-user': user }) }
  }

  const connectWs = async (t: Test, url: string, headers: Record<string, string>): Promise<Client> => {
    const socket = new WebSocket(url.replace('http', 'ws'), { headers })
    t.teardown(() => { socket.terminate() })
    await once(socket, 'open')
    return {
      send: (event, data) => { socket.send(JSON.stringify({ event, data })) },
      next: async () => JSON.parse(String((await once(socket, 'message'))[0])) as Message
    }
  }

  const connectIo = async (t: Test, url: string, extraHeaders: Record<string, string>): Promise<Client> => {
    const socket = io(url, { extraHeaders, reconnection: false, forceNew: true })
    t.teardown(() => { socket.disconnect() })
    await new Promise<void>(resolve => { socket.on('connect', resolve) })
    const waiting: Array<(message: Message) => void> = []
    socket.onAny((event, data) => waiting.shift()?.({ event, data: data as Message['data'] }))
    return {
      send: (event, data) => { socket.emit(event, data) },
      next: async () => new Promise(resolve => { waiting.push(resolve) })
    }
  }

  const ask = async (client: Client, event: string, data: unknown = {}): Promise<Message> => {
    const next = client.next()
    client.send(event, data)
    return next
  }
  const denied = (code: string) => ({ event: 'exception', data: { status: 'error', code: `FST_PERMIT_${code}` } })

  for (const adapter of ['ws', 'socket.io'] as const) {
    const title = `NestJS ${version} on ${adapter}`
    // NestJS 11 runs no guards of the whole app for gateways.
    const gateway = [WebSocketGateway(), UseGuards(authenticating), ...version === 11 && adapter === 'ws' ? [UseFilters(sending)] : []]

    t.test(`${title}: messages are decided after Nest's guards, for the user of the socket; the method wins; templates are filled in from the data`, async t => {
      const pdp = await pdpFor(t, { decide: ({ user, action, resource }) => user.key === 'ann' || (user.key === 'vic' && (action === 'read' || resource.key === '7')) })
      const ran: string[] = []
      class Tasks {
        list () { ran.push('list'); return { event: 'listed', data: {} } }
        update () { ran.push('update'); return { event: 'updated', data: {} } }
        open () { return { event: 'opened', data: {} } }
        whole () { ran.push('whole'); return { event: 'done', data: {} } }
        byClient () { return { event: 'done', data: {} } }
        filtered () { return { event: 'done', data: {} } }
      }
      const filter = {
        catch (error: Error, host: FilterHost) {
          const client = host.switchToWs().getClient()
          const answer = { event: 'caught', data: { isOfNest: error instanceof WsException, code: (error.cause as { code?: string }).code } }
          if (adapter === 'ws') client.send?.(JSON.stringify(answer))
          else client.emit(answer.event, answer.data)
        }
      }
      decorate(Tasks, [...gateway, Permit('task:create')], {
        list: [SubscribeMessage('list'), Permit('task:read')],
        update: [Permit({ action: 'update', resource: 'task:{id}' }), SubscribeMessage('update'), UseGuards(authenticating)],
        open: [Public(), SubscribeMessage('open')],
        whole: [SubscribeMessage('whole')],
        byClient: [SubscribeMessage('by-client'), Permit(({ ws }) => ({ action: 'update', resource: { type: 'task', key: String((ws?.data as { of: unknown }).of) } }))],
        filtered: [SubscribeMessage('filtered'), UseFilters(filter)]
      })
      const { connect } = await start(t, adapter, [Tasks], { options: { policy: undefined, pdp: pdp.url, token: pdp.token, cache: false, retries: 0, strict: true } })
      const [nobody, eve, vic, ann] = await Promise.all([connect(), connect('eve'), connect('vic'), connect('ann')])
      t.match(await ask(nobody, 'list'), denied('UNAUTHENTICATED'))
      t.match(await ask(eve, 'list'), { event: 'exception', data: { status: 'error', code: 'FST_PERMIT_FORBIDDEN', message: 'You are not allowed to do this.' } })
      // Who the user is, no message can say.
      t.match(await ask(nobody, 'list', { user: { sub: 'ann' }, headers: { 'x-user': 'ann' }, name: 'ann' }), denied('UNAUTHENTICATED'))
      t.same(ran, [])
      t.same([(await ask(nobody, 'open')).event, (await ask(vic, 'list')).event], ['opened', 'listed'])
      t.match(await ask(vic, 'whole'), denied('FORBIDDEN'))
      t.same([(await ask(ann, 'whole')).event, (await ask(vic, 'by-client', { of: 7 })).event], ['done', 'done'])
      t.match(await ask(vic, 'by-client', { of: 8 }), denied('FORBIDDEN'))
      t.same(await ask(vic, 'filtered'), { event: 'caught', data: { isOfNest: true, code: 'FST_PERMIT_FORBIDDEN' } })
      ran.length = 0
      await fc.assert(fc.asyncProperty(fc.oneof(fc.jsonValue({ maxDepth: 1 }), fc.record({ id: fc.oneof(fc.constantFrom('7', 7, ' 7', '8', '', null, ['7'], { toString: '7' }), fc.string()) })), async data => {
        const id = typeof data === 'object' && data !== null && !Array.isArray(data) && Object.hasOwn(data, 'id') ? (data as { id: unknown }).id : undefined
        const { event } = await ask(vic, 'update', data)
        if ((event === 'updated') !== (id === '7' || id === 7)) throw new Error(`${JSON.stringify(data)} was ${event}`)
      }), { numRuns: 30, examples: [[{ id: '7' }], [{ id: 7 }], [{ id: ['7'] }], ['7'], [['7']]] })
      t.equal(ran.length >= 2, true, 'two of the examples ran')
      await pdp.close()
      t.match(await ask(vic, 'list'), denied('UNAVAILABLE'))
    })

    t.test(`${title}: what a base class declares, and what overrides it, is decided for gateways as for controllers`, async t => {
      const ran: string[] = []
      const gateways = WORLDS.map((world, index) => classOf(world, `w${index}`, says, SubscribeMessage(`w${index}`), gateway, ran, { event: 'done', data: {} }))
      const { connect } = await start(t, adapter, gateways)
      for (const user of ['vic', 'ann']) {
        const client = await connect(user)
        ran.length = 0
        const wrong: unknown[] = []
        for (const [index, world] of WORLDS.entries()) {
          const isDenied = user === 'vic' && requiredIn(world) === 'task:create'
          const { event, data } = await ask(client, `w${index}`)
          if (event !== (isDenied ? 'exception' : 'done') || (isDenied && data.code !== 'FST_PERMIT_FORBIDDEN')) wrong.push(world)
          if (ran.includes(`w${index}`) === isDenied) wrong.push(world)
        }
        t.same(wrong, [], user)
        t.ok(ran.length > 50, `${ran.length} ran for ${user}`)
      }
    })

    t.test(`${title}: one class as two gateways and as a controller, and functions that are replaced on the instance, open nothing`, async t => {
      const ran: string[] = []
      class Both {
        both () { ran.push('both'); return { event: 'done', data: {} } }
      }
      decorate(Both, [...gateway, Controller('both'), Permit('task:create')], { both: [Get(''), SubscribeMessage('both')] })
      class Rebound {
        constructor () { this.rebound = this.rebound.bind(this) }
        rebound () { ran.push('rebound'); return { event: 'done', data: {} } }
      }
      decorate(Rebound, [...gateway, Injectable({ scope: Scope.REQUEST }), Permit('task:create')], { rebound: [SubscribeMessage('rebound')] })
      const { url, connect } = await start(t, adapter, [Both, { provide: 'second', useClass: Both }, Rebound], { controllers: [Both] })
      const status = async (user: string) => (await fetch(`${url}/both`, { headers: { 'x-user': user } })).status
      const vic = await connect('vic')
      t.match(await ask(vic, 'both'), denied('FORBIDDEN'))
      t.equal((await ask(vic, 'rebound')).event, 'exception')
      t.same([await status('vic'), ran], [403, []])
      t.same([await status('ann'), (await ask(await connect('ann'), 'both')).event], [200, 'done'])
    })
  }

  t.test(`NestJS ${version}: strict refuses messages and patterns that say nothing, and decorators without effect stop the app`, async t => {
    const refused = async (type: Class, error: { code: string, message: RegExp }, methods: Record<string, Decorator[]>, { ofClass = [WebSocketGateway()] as Decorator[], options = {}, isController = false } = {}) => {
      decorate(type, ofClass, methods)
      await t.rejects(start(t, 'ws', isController ? [] : [type], { options, controllers: isController ? [type] : [] }), error)
    }
    const undeclared = (message: RegExp) => ({ code: 'FST_PERMIT_UNDECLARED', message })
    const noEffect = (message: RegExp) => ({ code: 'FST_PERMIT_ANNOTATION', message })
    const strict = { options: { strict: true } }
    const pattern = { ofClass: [Controller()], isController: true }
    await refused(class Silent { list () { return '' } }, undeclared(/Silent\.list/), { list: [SubscribeMessage('list')] }, strict)
    await refused(class Pattern { list () { return '' } }, undeclared(/Pattern\.list/), { list: [MessagePattern('list')] }, { ...pattern, ...strict })
    await refused(class Event { list () { return '' } }, undeclared(/Event\.list/), { list: [EventPattern('list')] }, { ...pattern, ...strict })
    await refused(class Guarded { list () { return '' } }, noEffect(/no effect on Guarded\.list/), { list: [MessagePattern('list'), Permit('task:read')] }, pattern)
    await refused(class Hybrid { list () { return '' } }, noEffect(/no effect on Hybrid\.list/), { list: [Get(''), MessagePattern('list'), Permit('task:read')] }, pattern)
    await refused(class Whole { list () { return '' }; get () { return '' } }, noEffect(/no effect on Whole\.list/), { list: [EventPattern('list')], get: [Get('')] }, { ...pattern, ofClass: [Controller(), Permit('task:read') as Decorator] })
    await refused(class Connecting { handleConnection () { return '' } }, noEffect(/no effect on Connecting\.handleConnection/), { handleConnection: [Permit('task:read')] })
    await refused(class Map { list () { return '' } }, noEffect(/@Permit of Map\.list: .*HTTP method/), { list: [SubscribeMessage('list'), Permit({ GET: 'task:read' })] })
    // Without the decorator of a gateway nobody calls it.
    await refused(class Nothing { list () { return '' } }, noEffect(/no effect on Nothing\.list/), { list: [SubscribeMessage('list'), Permit('task:read')] }, { ofClass: [] })

    class Open { list () { return { event: 'listed', data: {} } } }
    decorate(Open, [WebSocketGateway()], { list: [SubscribeMessage('list'), Public()] })
    class OpenPattern { list () { return '' } }
    decorate(OpenPattern, [Controller(), Permit('task:read')], { list: [MessagePattern('list'), Public()] })
    const { connect } = await start(t, 'ws', [Open], { ...strict, controllers: [OpenPattern] })
    t.equal((await ask(await connect(), 'list')).event, 'listed')
  })
}
