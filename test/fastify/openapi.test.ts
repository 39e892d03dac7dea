// Guarded routes document themselves, and nothing that is sent changes by it.
import swagger, { type FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import permit, { type Annotation, type PermitOptions } from '../../src/index.js'
import { byHeader, fastifyFor } from '../support/app.js'
import { hostile } from '../support/hostile.js'

const POLICY = {
  resources: { task: { actions: { create: {}, list: {}, retrieve: {} } }, folder: { actions: { open: {} } } },
  roles: { admin: { permissions: ['task:create', 'task:list', 'task:retrieve', 'folder:open'] } },
  users: { ann: {}, eve: {} },
  role_assignments: [{ user: 'ann', role: 'admin', tenant: 'default' }]
}

interface Operation extends Record<string, unknown> {
  readonly responses: Record<string, { description: string, content?: Record<string, { schema: unknown }>, schema?: unknown }>
}
type Paths = Record<string, Record<string, Operation>>

const documentOf = (app: FastifyInstance): Record<string, unknown> => (app as unknown as { swagger (): Record<string, unknown> }).swagger()
const pathsOf = (app: FastifyInstance) => documentOf(app).paths as Paths

async function appWith (t: Test, declare: (app: FastifyInstance) => void, { options = {}, document = { openapi: {} }, first = 'swagger' }: {
  options?: Partial<PermitOptions>, document?: FastifyDynamicSwaggerOptions, first?: 'swagger' | 'permit'
} = {}) {
  const app = fastifyFor(t)
  if (first === 'swagger') await app.register(swagger, document)
  await app.register(permit, { policy: POLICY, user: byHeader, ...options })
  if (first === 'permit') await app.register(swagger, document)
  declare(app)
  await app.ready()
  return app
}

const ok = async () => ({ ok: true })

function declare (app: FastifyInstance) {
  app.get('/tasks', { config: { permit: 'task:list' } }, ok)
  app.post('/tasks', { preHandler: app.permit.guard('task:create') }, ok)
  app.get('/tasks/:id', { config: { permit: { action: 'retrieve', resource: 'task:{id}' } }, schema: { summary: 'One', tags: ['tasks'] } as object }, ok)
  app.get('/folders/:key', { config: { permit: { action: 'open', resource: { type: 'folder', key: '{key}' } } } }, ok)
  app.get('/healthz', { config: { permit: false } }, ok)
  app.get('/silent', ok)
}

for (const first of ['swagger', 'permit'] as const) {
  t.test(`the document has the required permissions and the errors of each route; ${first} was registered first`, async t => {
    const paths = pathsOf(await appWith(t, declare, { first }))
    t.equal(paths['/tasks']?.['x-permit-resource'], 'task')
    t.equal(paths['/tasks']?.get?.['x-permit-action'], 'list')
    t.equal(paths['/tasks']?.post?.['x-permit-action'], 'create')
    t.match(paths['/tasks/{id}'], { 'x-permit-resource': 'task', get: { 'x-permit-action': 'retrieve', summary: 'One', tags: ['tasks'] } })
    t.match(paths['/folders/{key}'], { 'x-permit-resource': 'folder', get: { 'x-permit-action': 'open' } })
    t.same(Object.keys(paths['/tasks']?.get?.responses ?? {}), ['200', '401', '403', '503'])
    t.match(paths['/tasks']?.get?.responses['503'], { headers: { 'Retry-After': {} }, content: { 'application/json': { schema: { type: 'object' } } } })
    for (const path of ['/healthz', '/silent']) {
      t.same(Object.keys(paths[path] ?? {}), ['get'])
      t.same(Object.keys(paths[path]?.get ?? {}), ['responses'])
      t.same(Object.keys(paths[path]?.get?.responses ?? {}), ['200'])
    }
    t.notMatch(JSON.stringify(paths), 'x-permit-guarded')
  })
}

t.test("read like Permit's CLI, the document has the resources and actions of the annotations", async t => {
  const app = await appWith(t, declare)
  const found = Object.values(pathsOf(app)).flatMap(path => path['x-permit-resource'] === undefined
    ? []
    : Object.entries(path).filter(([name]) => !name.startsWith('x-')).map(([method, operation]) => `${String(path['x-permit-resource'])}:${String(operation['x-permit-action'] ?? method)}`))
  t.same(found.sort(), app.permit.routes().flatMap(({ permissions }) => permissions).sort())
  t.equal(found.length, 4)
})

t.test('the error schema matches the errors that are sent', async t => {
  const app = await appWith(t, declare)
  const { responses } = pathsOf(app)['/tasks']?.get as Operation
  const user = (name?: string) => name === undefined ? {} : { headers: { 'x-user': name } }
  for (const [status, who] of [['401', undefined], ['403', 'eve']] as const) {
    const answer = await app.inject({ url: '/tasks', ...user(who) })
    t.equal(String(answer.statusCode), status)
    const { properties } = responses[status]?.content?.['application/json']?.schema as { properties: object }
    t.same(Object.keys(answer.json()).sort(), Object.keys(properties).sort())
  }
})

t.test('every payload is the same, byte by byte, with and without the documents', async t => {
  const routes = (app: FastifyInstance) => {
    // A schema for errors that drops a property and one that is for another status: both have to work as they did.
    const slim = { type: 'object', properties: { message: { type: 'string' } } }
    const config = { permit: 'task:list' }
    app.get('/plain', { config }, async () => ({ b: 1, a: undefined, date: new Date(0) }))
    app.get('/schema', { config, schema: { response: { 200: { type: 'object', properties: { a: { type: 'string' } } } } } }, async () => ({ a: 1, secret: 2 }))
    app.get('/slim', { config, schema: { response: { '4xx': slim, 503: slim } } }, ok)
    app.get('/own', { config }, async (_request, reply) => reply.code(403).send({ own: true, statusCode: 'none' }))
    app.get('/input', { config }, async (_request, reply) => ({ text: reply.serialize({ a: 1 }), has: reply.getSerializationFunction('403') === undefined }))
    app.post('/body', { config, schema: { body: { type: 'object', required: ['n'], properties: { n: { type: 'integer' } } } } }, async request => request.body)
  }
  const apps = [await appWith(t, routes), await appWith(t, routes, { options: { openapi: false } }), await appWith(t, routes, { first: 'permit' })]
  for (const app of apps) if (app !== apps[1]) documentOf(app)
  for (const [method, url, payload] of [
    ['GET', '/plain'], ['GET', '/schema'], ['GET', '/slim'], ['GET', '/own'], ['GET', '/input'], ['POST', '/body', { n: '7' }], ['POST', '/body', { n: 'x' }], ['HEAD', '/plain']
  ] as const) {
    for (const who of ['ann', 'eve', undefined]) {
      const answers = await Promise.all(apps.map(async app => {
        const { statusCode, headers: { date, ...headers }, body } = await app.inject({ method, url, ...payload && { payload }, headers: who === undefined ? {} : { 'x-user': who } })
        return { statusCode, headers, body }
      }))
      t.same(answers[0], answers[1], `${method} ${url} for ${who}`)
      t.same(answers[2], answers[1])
    }
  }
})

t.test('what the app has documented is kept', async t => {
  const shared = { summary: 'Shared', response: { 403: { description: 'Mine', type: 'object' } }, 'x-permit-action': 'mine' } as object
  const app = await appWith(t, app => {
    app.get('/tasks', { config: { permit: 'task:list' }, schema: shared }, ok)
    app.get('/folders', { config: { permit: 'folder:open' }, schema: { ...shared, response: { '4xx': { description: 'All of them', type: 'object' } } } as object }, ok)
    app.get('/public', { config: { permit: false }, schema: shared }, ok)
  })
  const paths = pathsOf(app)
  t.equal(paths['/tasks']?.get?.responses['403']?.description, 'Mine')
  t.equal(paths['/tasks']?.get?.['x-permit-action'], 'mine')
  t.same(Object.keys(paths['/folders']?.get?.responses ?? {}).sort(), ['4XX', '503'])
  t.same(Object.keys(paths['/public']?.get?.responses ?? {}), ['403'])
  t.same(Object.keys(shared), ['summary', 'response', 'x-permit-action'], "the app's own schema is left alone")
})

t.test('a path whose operations are about several resources has no resource, and each operation has its own', async t => {
  const path = pathsOf(await appWith(t, app => {
    app.get('/mixed', { config: { permit: 'task:list' } }, ok)
    app.post('/mixed', { config: { permit: 'folder:open' } }, ok)
  }))['/mixed']
  t.notOk(path?.['x-permit-resource'])
  t.match(path, { get: { 'x-permit-resource': 'task', 'x-permit-action': 'list' }, post: { 'x-permit-resource': 'folder', 'x-permit-action': 'open' } })
})

t.test('an operation with several permissions lists them all, as app.permit.routes() does; an operation with one does not', async t => {
  const several: Readonly<Record<string, [Annotation, string]>> = {
    '/any': [{ anyOf: ['task:list', 'folder:open'] }, '(task:list or folder:open)'],
    '/all': [{ allOf: ['task:list', { action: 'open', resource: 'folder:{key}' }] }, '(task:list and folder:open)'],
    '/nested': [{ allOf: ['task:list', { anyOf: ['task:create', 'folder:open'] }] }, '(task:list and (task:create or folder:open))'],
    '/partly': [{ anyOf: ['task:list', { action: 'open', resource: () => 'folder' }] }, '(task:list or (by function):open)']
  }
  const app = await appWith(t, app => {
    for (const [url, [annotation]] of Object.entries(several)) app.get(`${url}/:key`, { config: { permit: annotation } }, ok)
    app.get('/twice/:key', { preHandler: app.permit.guard('task:list'), config: { permit: 'folder:open' } }, ok)
    app.get('/one', { config: { permit: 'task:list' } }, ok)
    app.get('/alone', { config: { permit: { anyOf: ['task:list'] } } }, ok)
    app.get('/own', { config: { permit: { anyOf: ['task:list', 'task:create'] } }, schema: { 'x-permit-requires': 'mine' } as object }, ok)
  })
  const paths = pathsOf(app)
  const required = (url: string) => paths[url]?.get?.['x-permit-requires']
  for (const [url, [, text]] of Object.entries(several)) {
    t.equal(required(`${url}/{key}`), text)
    t.match(paths[`${url}/{key}`]?.get, { 'x-permit-resource': 'task', 'x-permit-action': 'list' }, "what Permit's CLI reads is as it was")
    t.equal(app.permit.routes().find(row => row.url === `${url}/:key`)?.permission, text)
  }
  t.equal(required('/twice/{key}'), 'task:list and folder:open')
  t.equal(required('/one'), undefined)
  t.equal(required('/alone'), undefined)
  t.equal(required('/own'), 'mine')
})

t.test('with several permissions, the first one sets Permit\'s extensions; a function sets none', async t => {
  const paths = pathsOf(await appWith(t, app => {
    app.get('/any', { config: { permit: { anyOf: ['task:list', 'folder:open'] } } }, ok)
    app.get('/function', { config: { permit: () => 'task:list' } }, ok)
    app.route({ method: ['PUT', 'PATCH'], url: '/both', config: { permit: 'task:create' }, handler: ok })
  }))
  t.match(paths['/any'], { 'x-permit-resource': 'task', get: { 'x-permit-action': 'list' } })
  t.notOk(paths['/function']?.['x-permit-resource'])
  t.ok(paths['/function']?.get?.responses['403'])
  for (const method of ['put', 'patch']) t.match(paths['/both'], { 'x-permit-resource': 'task', [method]: { 'x-permit-action': 'create', responses: { 401: {}, 403: {}, 503: {} } } })
})

t.test('with openapi: false, or without a document, the schema of a route does not change', async t => {
  const off = await appWith(t, declare, { options: { openapi: false } })
  t.notMatch(JSON.stringify(documentOf(off)), 'x-permit')
  t.same(Object.keys(pathsOf(off)['/tasks']?.get?.responses ?? {}), ['200'])
  const app = fastifyFor(t)
  await app.register(permit, { policy: POLICY, user: byHeader })
  let schema: unknown = 'unseen'
  app.get('/tasks', { config: { permit: 'task:list' } }, async request => { schema = request.routeOptions.schema; return {} })
  await app.inject({ url: '/tasks', headers: { 'x-user': 'ann' } })
  t.equal(schema, undefined)
})

t.test('the YAML, a second call, Swagger 2, transforms and a prefix give the same document', async t => {
  const app = await appWith(t, declare, { document: { openapi: {}, transform: ({ schema, url }) => ({ schema: { ...schema, description: 'Transformed' } as object, url: `/api${url}` }) } })
  const document = documentOf(app)
  t.same(documentOf(app), document)
  t.same(parse((app as unknown as { swagger (options: object): string }).swagger({ yaml: true })), JSON.parse(JSON.stringify(document)))
  t.match(pathsOf(app)['/api/tasks'], { 'x-permit-resource': 'task', get: { description: 'Transformed', 'x-permit-action': 'list' } })

  const two = pathsOf(await appWith(t, declare, { document: { swagger: {} } }))
  t.match(two['/tasks'], { 'x-permit-resource': 'task', get: { 'x-permit-action': 'list', responses: { 403: { schema: { type: 'object' } } } } })

  const scoped = fastifyFor(t)
  await scoped.register(swagger, { openapi: {} })
  scoped.register(async child => {
    await child.register(permit, { policy: POLICY, user: byHeader })
    child.get('/tasks', { config: { permit: 'task:list' } }, ok)
  }, { prefix: '/v1' })
  await scoped.ready()
  t.match(pathsOf(scoped)['/v1/tasks'], { 'x-permit-resource': 'task', get: { 'x-permit-action': 'list' } })
})

t.test('hostile names are plain text in the document, in JSON and in YAML', async t => {
  const name = hostile.filter(text => /^[^:{}]+$/.test(text) && text.trim() !== '')
  await fc.assert(fc.asyncProperty(name, name, name, async (type, action, other) => {
    const app = await appWith(t, app => {
      app.get('/one', { config: { permit: { action, resource: { type } } } }, ok)
      app.get('/two', { config: { permit: { allOf: [{ action, resource: { type } }, { action: other, resource: { type } }] } } }, ok)
    })
    const document = documentOf(app)
    const yaml = (app as unknown as { swagger (options: object): string }).swagger({ yaml: true })
    const { '/one': one, '/two': two } = pathsOf(app)
    await app.close()
    if (one?.['x-permit-resource'] as unknown !== type || one?.get?.['x-permit-action'] !== action || two?.get?.['x-permit-action'] !== action) throw new Error('another name')
    if (JSON.stringify(parse(yaml)) !== JSON.stringify(document)) throw new Error(yaml)
  }), { numRuns: 30 })
})
