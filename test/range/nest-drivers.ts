// Resolvers of NestJS with the drivers for Apollo and for Yoga, on both adapters: they are decided as with the driver for mercurius. Run by
// `npm run test:range`, which installs the drivers.
import 'reflect-metadata'
import * as common from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { ExpressAdapter } from '@nestjs/platform-express'
import t from 'tap'
import { Permit, PermitModule, Public, type NestRequest } from '../../src/nest/index.js'
import { policy } from '../graphql/tasks-policy.js'
import { decorate, type Decorator } from '../nest/decorate.js'

interface GraphQL {
  GraphQLModule: { forRoot (options: object): object }
  Resolver (name: string): Decorator
  Query (name: string): Decorator
  Mutation (name: string): Decorator
  ResolveField (name: string): Decorator
  Args (name: string): (target: object, name: string, index: number) => void
}

const { FastifyAdapter } = await import('@nestjs/platform-fastify' as string) as { FastifyAdapter: new () => object }
const { GraphQLModule, Resolver, Query, Mutation, ResolveField, Args } = await import('@nestjs/graphql' as string) as GraphQL
const { ApolloDriver } = await import('@nestjs/apollo' as string) as { ApolloDriver: unknown }
const drivers = new Map([['Apollo', ApolloDriver]])
// Yoga's driver is for NestJS 11.
if (process.env.RANGE_FAMILY === 'oldest') drivers.set('Yoga', (await import('@graphql-yoga/nestjs' as string) as { YogaDriver: unknown }).YogaDriver)

const typeDefs = 'type Task { id: ID! secret: String } type Query { tasks: [Task] open: String own: String } type Mutation { update(id: ID): String }'

t.test('the packages are those of the family', t => {
  const family = process.env.RANGE_FAMILY
  const others = family === 'oldest' ? ['@trpc/server', '@trpc/client', '@modelcontextprotocol/sdk/server/mcp.js'] : []
  for (const name of ['@nestjs/common', '@nestjs/core', '@nestjs/graphql', ...others]) t.match(import.meta.resolve(name), `/range/families/${family}/node_modules/${name.split('/')[0]}`)
  t.end()
})

for (const [name, driver] of drivers) {
  for (const [adapter, create] of [['Fastify', () => new FastifyAdapter()], ['Express', () => new ExpressAdapter()]] as const) {
    t.test(`${name} on ${adapter}: fields, arguments and objects are decided, and each denial is one line`, async t => {
      const ran: string[] = []
      class Tasks {
        list () { ran.push('list'); return [{ id: '1' }, { id: '2' }] }
        update (id: string) { ran.push(`update ${id}`); return id }
        secret () { ran.push('secret'); return 'secret' }
        open () { return 'open' }
      }
      decorate(Tasks, [Resolver('Task')], {
        list: [Query('tasks'), Permit('task:read')],
        update: [Mutation('update'), Permit({ action: 'update', resource: 'task:{id}' })],
        secret: [ResolveField('secret'), Permit('task:create')],
        open: [Query('open'), Public()]
      })
      Args('id')(Tasks.prototype, 'update', 0)
      class AppModule {}
      const user = (request: NestRequest) => request.headers['x-user'] as string | undefined
      const settings = { driver, typeDefs, fieldResolverEnhancers: ['guards'], autoTransformHttpErrors: false, includeStacktraceInErrorResponses: false }
      decorate(AppModule, [common.Module({ imports: [PermitModule.forRoot({ policy, user, strict: true }), GraphQLModule.forRoot(settings) as never], providers: [Tasks] }) as Decorator])
      const app = await NestFactory.create(AppModule, create() as never, { logger: false, abortOnError: false })
      t.teardown(() => app.close())
      await app.listen(0, '127.0.0.1')
      const lines: string[] = []
      const keep = (said: unknown) => { lines.push(String(said)) }
      app.useLogger({ log: keep, error: keep, warn: keep, debug: keep, verbose: keep })
      const url = `${(await app.getUrl()).replace('[::1]', '127.0.0.1')}/graphql`
      const ask = async (query: string, user?: string) => {
        const answer = await fetch(url, { method: 'POST', body: JSON.stringify({ query }), headers: { 'content-type': 'application/json', ...user === undefined ? {} : { 'x-user': user } } })
        const { data, errors = [] } = await answer.json() as { data: object | null, errors?: Array<{ extensions?: { code?: string } }> }
        return { data, codes: errors.map(({ extensions }) => extensions?.code) }
      }
      t.match(await ask('{ tasks { id } open }', 'vic'), { data: { tasks: [{ id: '1' }, { id: '2' }], open: 'open' }, codes: { length: 0 } })
      t.match(await ask('{ tasks { secret } }', 'ann'), { data: { tasks: [{ secret: 'secret' }, { secret: 'secret' }] } })
      t.match(await ask('mutation { update(id: "7") }', 'vic'), { data: { update: '7' } })
      t.same(ran, ['list', 'list', 'secret', 'secret', 'update 7'])
      ran.length = lines.length = 0
      t.same((await ask('{ tasks { id } }')).codes, ['FST_PERMIT_UNAUTHENTICATED'])
      t.same((await ask('{ tasks { id } }', 'eve')).codes, ['FST_PERMIT_FORBIDDEN'])
      for (const mutation of ['update(id: "8")', 'update(id: "")', 'update']) t.same((await ask(`mutation { ${mutation} }`, 'vic')).codes, ['FST_PERMIT_FORBIDDEN'], mutation)
      t.same(ran, [])
      t.same((await ask('{ tasks { secret } }', 'vic')).codes, ['FST_PERMIT_FORBIDDEN', 'FST_PERMIT_FORBIDDEN'])
      t.same(ran, ['list'])
      t.equal(lines.filter(line => line.startsWith('permit: denied')).length, 6)
      t.equal(lines.length, 6, 'and nothing else is said of them')
    })
  }
}
