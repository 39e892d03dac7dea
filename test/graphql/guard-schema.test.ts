// `fastify-permit/graphql`: the directive @permit, with mercurius and with graphql-js itself.
import { buildSchema, graphql, subscribe, parse, type GraphQLObjectType } from 'graphql'
import mercurius from 'mercurius'
import t, { type Test } from 'tap'
import { guardSchema, PERMIT_DIRECTIVES, type GuardSchemaOptions } from '../../src/graphql/index.js'
import permit from '../../src/index.js'
import { byHeader, fastifyFor, guardedApp, logSink } from '../support/app.js'
import { policy } from './tasks-policy.js'

const SCHEMA = `
  ${PERMIT_DIRECTIVES}
  interface Node { id: ID!, secret: String @permit(requires: "task:create") }
  type Task implements Node { id: ID!, title: String, secret: String }
  type Vault @permit(requires: "task:create") { code: String }
  extend type Task @permit(requires: "task:read")
  type Query { tasks: [Task!]! @permit(requires: "task:read"), vault: Vault @public, open: String @public, tags: [Tag!]! @public }
  type Tag { name: String @permit(requires: "task:read", resource: "task:fixed") }
  type Mutation { update(id: ID!): String @permit(requires: "task:update", resource: "task:{id}") }
`

const ran: string[] = []
const resolvers = {
  Query: {
    tasks: () => { ran.push('tasks'); return [{ id: '1', title: 'one', secret: 'x' }, { id: '2', title: 'two', secret: 'y' }] },
    vault: () => ({ code: '1234' }),
    open: () => 'open',
    tags: () => Array.from({ length: 30 }, (_, index) => ({ name: `tag ${index}` }))
  },
  Task: { secret: ({ secret }: { secret: string }) => { ran.push('secret'); return secret } },
  Mutation: { update: (_root: unknown, { id }: { id: string }) => { ran.push(`update ${id}`); return id } }
}

async function mercuriusApp (t: Test, options: object = { policy }) {
  const app = fastifyFor(t)
  await app.register(permit, { user: byHeader, ...options } as never)
  await app.register(mercurius, { schema: SCHEMA, resolvers, context: (request: object) => ({ request }), schemaTransforms: (schema: never) => guardSchema(schema, { strict: true }) } as never)
  await app.ready()
  return async (query: string, user?: string) => {
    const answer = await app.inject({ method: 'POST', url: '/graphql', payload: { query }, headers: user === undefined ? {} : { 'x-user': user } })
    return answer.json<{ data: Record<string, unknown> | null, errors?: Array<{ path: unknown[], extensions?: { code?: string } }> }>()
  }
}

t.test('mercurius: a field runs for a user with the permission; types, extensions and interfaces pass their directives on', async t => {
  const ask = await mercuriusApp(t)
  t.same((await ask('{ open }')).data, { open: 'open' })
  t.match(await ask('{ tasks { id } }'), { errors: [{ path: ['tasks'], extensions: { code: 'FST_PERMIT_UNAUTHENTICATED' } }] })
  t.match(await ask('{ tasks { id } }', 'eve'), { errors: [{ extensions: { code: 'FST_PERMIT_FORBIDDEN' } }] })
  t.same(ran, [])
  t.same((await ask('{ tasks { id title } }', 'vic')).data, { tasks: [{ id: '1', title: 'one' }, { id: '2', title: 'two' }] })
  t.match(await ask('{ tasks { secret } }', 'vic'), { data: { tasks: [{ secret: null }, { secret: null }] }, errors: [{ path: ['tasks', 0, 'secret'] }, { path: ['tasks', 1, 'secret'] }] })
  t.notOk(ran.includes('secret'))
  t.same((await ask('{ a: tasks { x: secret } }', 'ann')).data, { a: [{ x: 'x' }, { x: 'y' }] })
  t.match(await ask('{ vault { code } }', 'vic'), { data: { vault: { code: null } } })
  t.same((await ask('{ vault { code } }', 'ann')).data, { vault: { code: '1234' } })
})

t.test('mercurius: the resource is filled in from the arguments', async t => {
  const ask = await mercuriusApp(t)
  ran.length = 0
  t.same((await ask('mutation { update(id: "7") }', 'vic')).data, { update: '7' })
  for (const id of ['8', '', '7 ', 'task:7', '7:']) t.match(await ask(`mutation { update(id: ${JSON.stringify(id)}) }`, 'vic'), { data: { update: null }, errors: [{ extensions: { code: 'FST_PERMIT_FORBIDDEN' } }] }, id)
  t.same(ran, ['update 7'])
})

t.test('each denial is one line: by the policy, and without a check when an argument is missing', async t => {
  const { lines, logger } = logSink()
  const app = fastifyFor(t, { logger })
  let refused = 0
  await app.register(permit, { policy, user: byHeader, onDecision: (event: { code?: string }) => { if (event.code === 'incomplete_request') refused++ } } as never)
  const schema = `${PERMIT_DIRECTIVES} type Query { one(id: ID): String @permit(requires: "task:update", resource: "task:{id}"), all: String @permit(requires: "task:create") }`
  await app.register(mercurius, { schema, resolvers: { Query: { one: () => 'in', all: () => 'in' } }, context: (request: object) => ({ request }), schemaTransforms: (schema: never) => guardSchema(schema) } as never)
  const ask = async (query: string, user?: string) => {
    lines.length = 0
    const answer = await app.inject({ method: 'POST', url: '/graphql', payload: { query }, headers: user === undefined ? {} : { 'x-user': user } })
    return { codes: answer.json<{ errors?: Array<{ extensions: { code: string } }> }>().errors?.map(({ extensions }) => extensions.code), denied: lines.filter(({ msg }) => msg === 'permit: denied').map(({ permit }) => permit) }
  }
  t.match(await ask('{ all }', 'vic'), { codes: ['FST_PERMIT_FORBIDDEN'], denied: [{ user: 'vic', action: 'create', code: 'no_permission' }] })
  for (const query of ['{ one }', '{ one(id: "") }', '{ one(id: null) }']) {
    const { codes, denied } = await ask(query, 'vic')
    t.same(codes, ['FST_PERMIT_FORBIDDEN'], query)
    t.equal(denied.length, 1)
    t.match(denied, [{ user: 'vic', action: 'update', resource: 'task', code: 'incomplete_request', reason: /argument/ }])
  }
  t.match(await ask('{ a: one b: one all }', 'vic'), { denied: { length: 3 } })
  t.match(await ask('{ one }'), { codes: ['FST_PERMIT_UNAUTHENTICATED'], denied: { length: 0 } }, 'nobody is asked to log in first')
  await app.close()
  t.equal(refused, 5, 'the audit trail has them, too')
})

t.test('the checks of a list are sent in one batch, and equal checks are sent once', async t => {
  const { app, pdp } = await guardedApp(t)
  await app.register(mercurius, { schema: SCHEMA, resolvers, context: (request: object) => ({ request }), schemaTransforms: (schema: never) => guardSchema(schema) } as never)
  const answer = await app.inject({ method: 'POST', url: '/graphql', payload: { query: '{ tags { name } }' }, headers: { 'x-user': 'ann' } })
  t.equal(answer.json<{ data: { tags: unknown[] } }>().data.tags.length, 30)
  t.equal(pdp.questions.length, 1)
})

t.test('graphql-js: resolvers that are set later are guarded, and subscriptions are decided before they start', async t => {
  const schema = guardSchema<{ may: boolean }>(buildSchema(`
    ${PERMIT_DIRECTIVES}
    type Query { x: String @permit(requires: "task:read") }
    type Subscription { ticks: Int @permit(requires: "task:read") }
  `), { permit: ({ may }) => ({ assert: async () => { if (!may) throw new Error('denied') } }) })
  const calls: string[] = []
  ;(schema.getType('Query') as GraphQLObjectType).getFields().x!.resolve = () => { calls.push('x'); return 'x' }
  ;(schema.getType('Subscription') as GraphQLObjectType).getFields().ticks!.subscribe = async function * () { calls.push('ticks'); yield { ticks: 1 } }
  const read = async (may: boolean) => graphql({ schema, source: '{ x }', contextValue: { may } })
  const follow = async (may: boolean) => subscribe({ schema, document: parse('subscription { ticks }'), contextValue: { may } })
  t.match([await read(false), await follow(false)], [{ data: { x: null }, errors: [{ message: 'denied' }] }, { errors: [{ message: 'denied' }] }])
  t.same(calls, [])
  t.match(await read(true), { data: { x: 'x' } })
  const stream = await follow(true) as AsyncIterableIterator<unknown>
  t.match(await stream.next(), { value: { data: { ticks: 1 } } })
  t.match(await graphql({ schema: guardSchema(buildSchema(`${PERMIT_DIRECTIVES} type Query { x: String @permit(requires: "task:read") }`)), source: '{ x }', contextValue: {} }), { errors: [{ message: /context has no checks/ }] })
})

t.test('mistakes are reported when the schema is guarded', async t => {
  const guard = (fields: string, options: GuardSchemaOptions<unknown> = {}) => () => guardSchema(buildSchema(`${PERMIT_DIRECTIVES} type Query { ${fields} }`), options)
  for (const [fields, message] of [
    ['x: String @permit(requires: "task.read")', /Query\.x: requires is "task\.read"/],
    ['x: String @permit(requires: "task:{id}")', /expected 'type:action'/],
    ['x: String @permit(requires: "task:read", resource: "note:7")', /expected 'task:\{argument\}'/],
    ['x(key: ID): String @permit(requires: "task:read", resource: "task:{id}")', /\{id\}, which is no argument/]
  ] as const) t.throws(guard(fields), { code: 'FST_PERMIT_ANNOTATION', message })
  t.throws(guard('x: String, y: String @public', { strict: true }), { code: 'FST_PERMIT_UNDECLARED', message: /\n {2}Query\.x\nAdd/ })
  t.throws(guard('x: String', { strct: true } as never), /strct.*did you mean.*strict/)
})
