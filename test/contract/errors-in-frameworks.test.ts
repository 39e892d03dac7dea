// The errors carry what frameworks look for: http-errors and what is built on it, Express's own last handler, GraphQL and mercurius.
import { createRequire } from 'node:module'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as graphql from 'graphql'
import mercurius from 'mercurius'
import t from 'tap'
import * as errors from '../../src/contract/errors.js'
import type { RequestPermit } from '../../src/index.js'
import { guardedApp } from '../support/app.js'

const DENIAL = { user: 'key-that-stays-in', action: 'read', resource: 'task', tenant: 'default' }

const all = () => [
  new errors.ForbiddenError(DENIAL), new errors.UnauthenticatedError(), new errors.UnavailableError(new errors.PdpError('network', 'reason-that-stays-in')),
  new errors.BypassedError(), new errors.UnsupportedError('no'), new errors.WriteError('syncUser', { index: 0, applied: [], partly: undefined, cause: undefined }),
  ...[errors.OptionsError, errors.AnnotationError, errors.UndeclaredRouteError, errors.PolicyFileError, errors.DataError, errors.QueryError, errors.MutationError]
    .map(Class => new Class('a mistake'))
]

const requireFromExpress = createRequire(createRequire(import.meta.url).resolve('express'))

t.test('every error of the package has the fields of http-errors, and its message is for clients when the status is below 500', async t => {
  const { isHttpError } = requireFromExpress('http-errors') as { isHttpError (error: unknown): boolean }
  for (const error of all()) {
    t.equal(isHttpError(error), true, error.code)
    t.equal(error.status, error.statusCode, error.code)
    t.equal(error.expose, error.status < 500, error.code)
    t.equal(error.extensions.code, error.code)
  }
})

t.test('the fields for frameworks are not copied with an error, and an error handler may write them', async t => {
  for (const error of all()) {
    for (const name in error) t.notOk(['status', 'expose', 'extensions', 'headers', 'denial', 'cause'].includes(name), `${error.code}: ${name}`)
    t.notMatch(JSON.stringify([error, error.extensions]), /stays-in/)
    error.expose = false
    error.status = 404
    error.extensions = { code: 'ANOTHER' }
    t.match({ expose: error.expose, status: error.status, extensions: error.extensions }, { expose: false, status: 404, extensions: { code: 'ANOTHER' } })
  }
  const error = Object.assign(new errors.ForbiddenError(), { statusCode: 503 })
  t.match({ status: error.status, expose: error.expose }, { status: 503, expose: false }, 'they follow a status that was changed')
})

t.test('Express\'s default handler sends the status and Retry-After', async t => {
  const finalhandler = requireFromExpress('finalhandler') as (request: unknown, response: unknown, options: object) => (error: unknown) => void
  for (const [error, status, retryAfter] of [
    [new errors.ForbiddenError(), 403, null], [new errors.UnauthenticatedError(), 401, null], [new errors.UnavailableError(), 503, '1'], [new errors.QueryError('a mistake'), 500, null]
  ] as const) {
    const server = createServer((request, response) => finalhandler(request, response, { env: 'production' })(error)).listen(0, '127.0.0.1')
    t.teardown(() => server.close())
    await once(server, 'listening')
    const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, { headers: { connection: 'close' } })
    t.equal(answer.status, status)
    t.equal(answer.headers.get('retry-after'), retryAfter)
    t.notMatch(await answer.text(), /a mistake/)
  }
})

t.test('graphql-js adds the code to the extensions, and nothing else of an error', async t => {
  const schema = graphql.buildSchema('type Query { task: String }')
  for (const error of all()) {
    const result = await graphql.graphql({ schema, source: '{ task }', rootValue: { task () { throw error } } })
    const [sent] = (JSON.parse(JSON.stringify(result)) as { errors: object[] }).errors
    t.same(sent, { message: error.message, locations: [{ line: 1, column: 3 }], path: ['task'], extensions: { code: error.code } })
  }
})

t.test('with mercurius, a refusal in a resolver has its code, its status and Retry-After for a 503', async t => {
  const { app, pdp } = await guardedApp(t, { retries: 0 })
  await app.register(mercurius, {
    schema: 'type Query { mine: String!, maybe: String }',
    context: ({ permit }) => ({ permit }),
    resolvers: {
      Query: {
        async mine (_root: unknown, _args: unknown, { permit }: { permit: RequestPermit }) { await permit.assert('read', 'task'); return 'secret' },
        async maybe (_root: unknown, _args: unknown, { permit }: { permit: RequestPermit }) { await permit.assert('read', 'task'); return 'secret' }
      }
    } as never
  })
  const ask = async (field: string, user?: string) => {
    const { statusCode, headers, body } = await app.inject({ method: 'POST', url: '/graphql', headers: user === undefined ? {} : { 'x-user': user }, payload: { query: `{ ${field} }` } })
    const { data, errors } = JSON.parse(body) as { data: object | null, errors?: Array<{ message: string, extensions?: object }> }
    return { statusCode, retryAfter: headers['retry-after'], data, errors: errors?.map(({ message, extensions }) => ({ message, extensions })) }
  }
  t.match(await ask('mine', 'ann'), { statusCode: 200, data: { mine: 'secret' }, retryAfter: undefined })
  const denied = [{ message: 'You are not allowed to do this.', extensions: { code: 'FST_PERMIT_FORBIDDEN' } }]
  t.same(await ask('mine', 'eve'), { statusCode: 403, retryAfter: undefined, data: null, errors: denied })
  t.same(await ask('maybe', 'eve'), { statusCode: 200, retryAfter: undefined, data: { maybe: null }, errors: denied })
  t.match(await ask('mine'), { statusCode: 401, errors: [{ extensions: { code: 'FST_PERMIT_UNAUTHENTICATED' } }] })
  await pdp.close()
  t.match(await ask('mine', 'ann'), { statusCode: 503, retryAfter: '1', errors: [{ extensions: { code: 'FST_PERMIT_UNAVAILABLE' } }] })
  t.match(await ask('maybe', 'ann'), { statusCode: 200, retryAfter: undefined, errors: [{ extensions: { code: 'FST_PERMIT_UNAVAILABLE' } }] })
})
