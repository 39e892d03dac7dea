// `fastify-permit/trpc` with the real server, adapter and client of tRPC 11.
import { createTRPCClient, httpBatchLink, httpLink, TRPCClientError } from '@trpc/client'
import { initTRPC } from '@trpc/server'
import { fastifyTRPCPlugin, type CreateFastifyContextOptions } from '@trpc/server/adapters/fastify'
import { createHTTPServer } from '@trpc/server/adapters/standalone'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import permit from '../../src/index.js'
import { permitMiddleware } from '../../src/trpc/index.js'
import { byHeader, fastifyFor, logSink, pdpFor } from '../support/app.js'

const policy = {
  resources: { task: { actions: { read: {}, create: {}, update: {} }, roles: { owner: { permissions: ['update'] } } }, secret: { actions: { update: {} } } },
  roles: { reader: { permissions: ['task:read'] }, keeper: { permissions: ['secret:update'] }, boss: { permissions: ['task:update'] } },
  tenants: { acme: {} },
  users: { ann: {}, vic: {}, boss: {} },
  resource_instances: [{ resource: 'task', key: '7' }, { resource: 'task', key: '8' }],
  role_assignments: [
    { user: 'boss', role: 'boss' }, { user: 'boss', role: 'boss', tenant: 'acme' },
    { user: 'vic', role: 'reader' }, { user: 'vic', role: 'keeper' }, { user: 'vic', role: 'owner', resource_instance: 'task:7' },
    { user: 'ann', role: 'reader', tenant: 'acme' }
  ]
}

interface Context { readonly req: CreateFastifyContextOptions['req'] }

const trpc = initTRPC.context<Context>().create()
const permitted = permitMiddleware(trpc)

interface Input { readonly id: string, readonly type?: string }

/** A parser without a library. */
const input = (value: unknown): Input => {
  const { id } = value as Input
  if (typeof id !== 'string') throw new Error('id')
  return value as Input
}

const ran: string[] = []

const router = trpc.router({
  list: trpc.procedure.use(permitted('task:read')).query(() => { ran.push('list'); return ['a task'] }),
  inTenant: trpc.procedure.input(input).use(permitted('task:read', undefined, ({ input: { id } }) => ({ tenant: id }))).query(() => 'a task'),
  update: trpc.procedure.input(input)
    .use(permitted('task:update', ({ input }) => ({ type: 'task', key: input.id })))
    .mutation(({ input }) => { ran.push(input.id); return input.id }),
  ofInput: trpc.procedure.input(input).use(permitted('task:update', ({ input }) => input.id)).mutation(({ input }) => { ran.push(input.id); return input.id }),
  asked: trpc.procedure.query(async ({ ctx }) => ctx.req.permit.check('read', 'task'))
})

async function clientFor (t: Test, options: object = { policy }, server: object = {}) {
  const app = fastifyFor(t, server)
  await app.register(permit, { user: byHeader, ...options } as never)
  await app.register(fastifyTRPCPlugin, { prefix: '/trpc', trpcOptions: { router, createContext: ({ req }: CreateFastifyContextOptions) => ({ req }) } } as never)
  const url = `${await app.listen({ port: 0, host: '127.0.0.1' })}/trpc`
  return (user: string | undefined, link: typeof httpLink | typeof httpBatchLink = httpLink) =>
    createTRPCClient<typeof router>({ links: [link({ url, headers: () => user === undefined ? {} : { 'x-user': user } })] })
}

/** The code and the status of what a client rejects with. */
async function refusal (call: Promise<unknown>): Promise<unknown> {
  const error = await call.then(() => undefined, (error: unknown) => error)
  if (!(error instanceof TRPCClientError)) return error
  const { data, message } = error as TRPCClientError<typeof router>
  return [data?.code, data?.httpStatus, message]
}

t.test('a procedure runs for a user with the permission, and others get tRPC\'s errors', async t => {
  const as = await clientFor(t)
  t.same(await as('vic').list.query(), ['a task'])
  t.same(await refusal(as('ann').list.query()), ['FORBIDDEN', 403, 'You are not allowed to do this.'])
  t.same(await refusal(as(undefined).list.query()), ['UNAUTHORIZED', 401, 'Authentication is required.'])
  t.equal(await as('vic').update.mutate({ id: '7' }), '7')
  t.match(await refusal(as('vic').update.mutate({ id: '8' })), ['FORBIDDEN', 403])
  t.equal(await as('ann').inTenant.query({ id: 'acme' }), 'a task')
  t.match(await refusal(as('vic').inTenant.query({ id: 'acme' })), ['FORBIDDEN', 403])
  t.same(await Promise.all([as('vic').asked.query(), as('ann').asked.query()]), [true, false])
  const batch = as('vic', httpBatchLink)
  t.match(await Promise.all([batch.list.query(), refusal(batch.update.mutate({ id: '8' })), refusal(batch.ofInput.mutate({ id: 'secret:1' }))]), [['a task'], ['FORBIDDEN'], ['INTERNAL_SERVER_ERROR']])
})

t.test('each denial is one line in the log, in a batch, too', async t => {
  const { lines, logger } = logSink()
  const as = await clientFor(t, { policy }, { logger })
  const batch = as('vic', httpBatchLink)
  await Promise.all(['8', '9', ''].map(async id => refusal(batch.update.mutate({ id }))))
  await refusal(as('ann').list.query())
  const denied = lines.filter(({ msg }) => msg === 'permit: denied').map(({ permit }) => (permit as { user: string, resource: string }))
  t.same(denied.map(({ user, resource }) => `${user} ${resource}`).sort(), ['ann task', 'vic task:8', 'vic task:9'])
})

t.test('without a decision it is SERVICE_UNAVAILABLE', async t => {
  const pdp = await pdpFor(t, { decide: () => true })
  const as = await clientFor(t, { pdp: pdp.url, token: pdp.token, cache: false, retries: 0 })
  t.same(await as('ann').list.query(), ['a task'])
  await pdp.close()
  t.match(await refusal(as('ann').list.query()), ['SERVICE_UNAVAILABLE', 503])
})

t.test('property: whatever the input, a procedure runs only for the resource that the user may update', async t => {
  const as = await clientFor(t)
  const client = as('vic')
  const ids = fc.oneof(fc.string({ maxLength: 12 }), fc.constantFrom('7', '8', '', ' 7', '7 ', 'task:7', 'secret:1', '7:8', '٧', '__proto__', 'task:', ':7', '7\u0000'))
  let allowed = 0
  await fc.assert(fc.asyncProperty(ids, async id => {
    ran.length = 0
    await Promise.all([client.update.mutate({ id }), client.ofInput.mutate({ id })].map(async call => call.catch(() => {})))
    allowed += ran.length
    for (const one of ran) if (one !== '7' && one !== 'task:7') throw new Error(`ran for ${JSON.stringify(one)}`)
  }), { numRuns: 60, examples: [['7'], ['8'], ['secret:1'], ['task:7']] })
  t.ok(allowed >= 2)
})

t.test('mistakes are reported: an invalid permission, and a context without checks', async t => {
  for (const wrong of ['task', 'task:', ':read', 'a:b:c', undefined]) t.throws(() => permitted(wrong as 'task:read'), { code: 'FST_PERMIT_ANNOTATION' })
  const other = initTRPC.context<{ nothing: true }>().create()
  const server = createHTTPServer({ router: other.router({ x: other.procedure.use(permitMiddleware(other)('task:read')).query(() => 1) }), createContext: () => ({ nothing: true as const }) })
  const listening = server.listen(0, '127.0.0.1') as unknown as { address (): { port: number } } | undefined
  const address = (listening ?? server as never) as { address (): { port: number } }
  t.teardown(() => { (server as unknown as { close (): void }).close() })
  await new Promise(resolve => setImmediate(resolve))
  const answer = await fetch(`http://127.0.0.1:${address.address().port}/x`)
  t.equal(answer.status, 500)
  t.match(await answer.text(), /context has no checks/)
})

t.test('a function that returns no resource, no options, or something else is a mistake, and no check of the whole type', async t => {
  const nothing = [undefined, null, '', 0, false, [], {}, { key: '7' }, { type: 'task', key: null }, 'task:', 'secret']
  const returning = (value: unknown) => [() => value, async () => value] as unknown as Array<() => string>
  const guards = [
    ...nothing.flatMap(returning).map(resource => permitted('task:update', resource)),
    ...[null, '', 0, false, 'acme', [], { tenants: 'acme' }].flatMap(returning).map(options => permitted('task:update', undefined, options as never))
  ]
  let ran = 0
  const app = fastifyFor(t)
  await app.register(permit, { user: byHeader, policy } as never)
  const one = trpc.router(Object.fromEntries(guards.map((guard, i) => [`at${i}`, trpc.procedure.use(guard).query(() => { ran += 1 })])))
  await app.register(fastifyTRPCPlugin, { prefix: '/trpc', trpcOptions: { router: one, createContext: ({ req }: CreateFastifyContextOptions) => ({ req }) } } as never)
  for (const i of guards.keys()) {
    const { statusCode, body } = await app.inject({ url: `/trpc/at${i}`, headers: { 'x-user': 'boss' } })
    t.ok(statusCode === 500 || statusCode === 400, `${i}: ${statusCode} ${body}`)
  }
  t.equal(ran, 0)
})

t.test('the checks may be anywhere in the context', async t => {
  const asked: unknown[] = []
  const other = initTRPC.context<{ checks: { assert (...args: unknown[]): Promise<void> } }>().create()
  const mine = permitMiddleware(other, { permit: ctx => ctx.checks as never })
  const caller = other.createCallerFactory(other.router({ x: other.procedure.use(mine('task:read')).query(() => 1) }))
  t.equal(await caller({ checks: { assert: async (...args) => { asked.push(args) } } }).x(), 1)
  t.same(asked, [['read', 'task', undefined]])
})
