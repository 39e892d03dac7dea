// `fastify-permit/graphql` with GraphQL Yoga on Fastify, and attacks on the shape of queries and schemas, whoever runs them.
import fc from 'fast-check'
import { buildSchema, extendSchema, graphql, GraphQLSchema, lexicographicSortSchema, parse, type ExecutionResult } from 'graphql'
import t, { type Test } from 'tap'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { guardSchema, PERMIT_DIRECTIVES } from '../../src/graphql/index.js'
import permit, { type PermitOptions } from '../../src/index.js'
import { byHeader, fastifyFor, pdpFor } from '../support/app.js'
import { policy } from './tasks-policy.js'

/** What the test takes of `graphql-yoga`. */
interface Yoga {
  handleNodeRequestAndResponse (request: FastifyRequest, reply: FastifyReply, context: object): Promise<unknown>
}

const { createYoga } = await import('graphql-yoga' as string) as { createYoga (options: object): Yoga }

const SCHEMA = `
  ${PERMIT_DIRECTIVES}
  interface Node { id: ID!, secret: String @permit(requires: "task:create") }
  interface Deep implements Node { id: ID!, secret: String, depth: Int @permit(requires: "task:create") }
  type Task implements Node & Deep { id: ID!, title: String, secret: String, depth: Int, next: Task }
  type Vault @permit(requires: "task:create") { code: String, task: Task }
  union Found = Task | Vault
  type Query { tasks: [Task!] @permit(requires: "task:read"), found: [Found] @public, node: Node @public, vault: Vault @public }
  type Mutation { update(id: ID!): Task @permit(requires: "task:update", resource: "task:{id}") }
  extend type Query { extended: String @permit(requires: "task:create") }
`

/** The fields that need more than to be logged in, by what they need. */
const NEEDS: Readonly<Record<string, string>> = {
  tasks: 'task:read', secret: 'task:create', depth: 'task:create', code: 'task:create', task: 'task:create', extended: 'task:create'
}
const MAY: Readonly<Record<string, readonly string[]>> = { ann: ['task:read', 'task:create'], vic: ['task:read'], eve: [] }

/** A schema with resolvers that note what they ran, for the user in the context. */
function schemaOf (ran: string[]): GraphQLSchema {
  const schema = buildSchema(SCHEMA)
  const values: Record<string, (parent: { id?: string }, args: { id?: string }) => unknown> = {
    tasks: () => [{ __typename: 'Task', id: '1' }, { __typename: 'Task', id: '2' }],
    found: () => [{ __typename: 'Task', id: '3' }, { __typename: 'Vault' }],
    node: () => ({ __typename: 'Task', id: '4' }),
    vault: () => ({ __typename: 'Vault' }),
    task: () => ({ __typename: 'Task', id: '5' }),
    next: () => ({ __typename: 'Task', id: '6' }),
    update: (_parent, { id }) => { ran.push(`update ${id}`); return { __typename: 'Task', id } },
    id: ({ id }) => id
  }
  for (const name of ['Query', 'Mutation', 'Task', 'Vault']) {
    for (const field of Object.values((schema.getType(name) as ReturnType<GraphQLSchema['getQueryType']>)!.getFields())) {
      field.resolve = (parent, args) => { if (field.name !== 'update') ran.push(field.name); return values[field.name]?.(parent, args) ?? (field.name === 'depth' ? 1 : `the ${field.name}`) }
    }
  }
  return schema
}

interface Answer extends ExecutionResult { readonly status: number }

async function yogaApp (t: Test, options: object = { policy }, more: object = {}) {
  const ran: string[] = []
  const app = fastifyFor(t)
  await app.register(permit, { user: byHeader, ...options } as PermitOptions)
  const yoga = createYoga({ schema: guardSchema(schemaOf(ran), { strict: true }), logging: false, ...more })
  app.addContentTypeParser('application/json', (_request, _payload, done) => { done(null) })
  app.post('/graphql', { config: { permit: false } }, async (req, reply) => yoga.handleNodeRequestAndResponse(req, reply, { req, reply }) as never)
  const url = `${await app.listen({ port: 0, host: '127.0.0.1' })}/graphql`
  const post = async (body: object, user?: string) => {
    const answer = await fetch(url, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...user === undefined ? {} : { 'x-user': user } } })
    return { status: answer.status, body: await answer.json() as Answer }
  }
  return { ran, post, ask: async (query: string, user?: string) => (await post({ query }, user)).body }
}

t.test('Yoga: a field runs for a user with the permission, and others see what happened, and not why', async t => {
  const { ask, ran } = await yogaApp(t)
  t.match(await ask('{ tasks { id title } }', 'vic'), { data: { tasks: [{ id: '1', title: 'the title' }, { id: '2' }] }, errors: undefined })
  t.match(await ask('mutation { update(id: "7") { id } }', 'vic'), { data: { update: { id: '7' } } })
  ran.length = 0
  const denied = { message: 'You are not allowed to do this.', extensions: { code: 'FST_PERMIT_FORBIDDEN' } }
  t.match(await ask('{ tasks { id } }', 'eve'), { data: { tasks: null }, errors: [denied] })
  t.match(await ask('{ tasks { id } }'), { data: { tasks: null }, errors: [{ message: 'Authentication is required.', extensions: { code: 'FST_PERMIT_UNAUTHENTICATED' } }] })
  t.match(await ask('{ vault { code } }', 'vic'), { data: { vault: { code: null } }, errors: [{ path: ['vault', 'code'], ...denied }] })
  for (const id of ['8', '', '7 ', 'task:7']) t.match(await ask(`mutation { update(id: ${JSON.stringify(id)}) { id } }`, 'vic'), { data: { update: null }, errors: [denied] }, id)
  t.same(ran.filter(name => name !== 'vault'), [])
})

t.test('Yoga: without a decision the error says so, and the message of a bug in the app stays hidden', async t => {
  const pdp = await pdpFor(t, { decide: () => true })
  const { ask } = await yogaApp(t, { pdp: pdp.url, token: pdp.token, cache: false, retries: 0 })
  t.match(await ask('{ tasks { id } }', 'ann'), { data: { tasks: [{ id: '1' }, { id: '2' }] } })
  await pdp.close()
  t.match(await ask('{ tasks { id } }', 'ann'), { data: { tasks: null }, errors: [{ extensions: { code: 'FST_PERMIT_UNAVAILABLE' } }] })
  const broken = await yogaApp(t, { policy, user: () => { throw new Error('the password is 1234') } })
  const answer = await broken.ask('{ tasks { id } }', 'ann')
  t.match(answer, { data: { tasks: null }, errors: [{ message: 'Unexpected error.' }] })
  t.notMatch(JSON.stringify(answer), /1234/)
})

t.test('Yoga: each query of a batch is decided by itself', async t => {
  const { post, ran } = await yogaApp(t, { policy }, { batching: true })
  const { body } = await post([{ query: '{ tasks { id } }' }, { query: '{ extended }' }, { query: 'mutation { a: update(id: "7") { id } b: update(id: "8") { id } }' }], 'vic')
  t.match(body, [{ data: { tasks: [{ id: '1' }, { id: '2' }] } }, { data: { extended: null } }, { data: { a: { id: '7' }, b: null } }])
  t.same(ran.filter(name => /update|extended/.test(name)), ['update 7'])
})

/** What a schema may become behind `guardSchema`. */
const TRANSFORMS: Readonly<Record<string, (schema: GraphQLSchema) => GraphQLSchema>> = {
  'as it is': schema => schema,
  sorted: lexicographicSortSchema,
  copied: schema => new GraphQLSchema(schema.toConfig()),
  extended: schema => extendSchema(schema, parse('extend type Query { more: String } type More { x: String }')),
  'guarded twice': schema => guardSchema(schema)
}

t.test('property: no alias, fragment, interface, union or copy of the schema runs a field that the user may not see', async t => {
  const app = fastifyFor(t)
  await app.register(permit, { user: byHeader, policy })
  app.get('/', async request => request.permit)
  const permits: Record<string, object> = {}
  app.addHook('onRequest', async request => { permits[request.headers['x-user'] as string] = request })
  for (const user of Object.keys(MAY)) await app.inject({ url: '/', headers: { 'x-user': user } })

  // A selection of fields of one type, as text; a fragment or an alias changes nothing.
  const task = fc.letrec<{ selection: string }>(tie => ({
    selection: fc.array(fc.oneof({ depthSize: 'small', withCrossShrink: true },
      fc.constantFrom('id', 'title', 'secret', 'x: secret', 'depth', '... on Node { secret }', '... on Deep { y: depth }', '... @include(if: true) { secret }', '...Secrets', '__typename'),
      tie('selection').map(inner => `next { ${inner} }`)), { minLength: 1, maxLength: 4 }).map(fields => fields.join(' '))
  })).selection
  const root = fc.oneof(
    task.map(inner => `tasks { ${inner} }`), task.map(inner => `node { id ... on Task { ${inner} } }`),
    task.map(inner => `found { ... on Task { ${inner} } ... on Vault { code task { ${inner} } } }`), task.map(inner => `vault { code task { ${inner} } }`),
    fc.constantFrom('extended', 'e: extended')
  )
  const query = fc.array(root, { minLength: 1, maxLength: 3 }).map(roots => roots.map((text, i) => text.startsWith('e') ? text : `r${i}: ${text}`).join(' '))
  let allowed = 0
  let refused = 0
  await fc.assert(fc.asyncProperty(query, fc.constantFrom(...Object.keys(MAY)), fc.constantFrom(...Object.keys(TRANSFORMS)), async (fields, user, transform) => {
    const ran: string[] = []
    const schema = TRANSFORMS[transform]!(guardSchema(schemaOf(ran)))
    const source = `query { ${fields} ...Keep } fragment Secrets on Task { secret z: secret } fragment Keep on Query { node { ...On } } fragment On on Task { ...Secrets }`
    const { errors = [] } = await graphql({ schema, source, contextValue: { request: permits[user] } })
    if (errors.some(({ extensions }) => extensions.code === undefined)) throw new Error(String(errors))
    refused += errors.length
    for (const name of ran) {
      const need = NEEDS[name]
      if (need === undefined) continue
      allowed += 1
      if (!MAY[user]!.includes(need)) throw new Error(`${user} ran ${name} in ${source}`)
    }
  }), { numRuns: 60, examples: [['tasks { secret }', 'ann', 'sorted'], ['tasks { secret }', 'vic', 'copied']] })
  t.ok(allowed > 2 && refused > 1)
})
