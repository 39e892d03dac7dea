// No request holds the local PDP, and no answer is out of proportion: an attack on every route of its table, generated from the schemas of what each takes.
import t, { type Test } from 'tap'
import { createLocalPdp, type LocalPdp } from '../../src/server/index.js'
import type { Policy } from '../../src/index.js'
import { Beat, isBelow, ThreadClient, type Exchange } from '../support/beat.js'
import { TOKEN } from './support.js'

/** Ms for which a request may hold the event loop. */
const LONGEST = 50

/** Bytes of an answer for each byte of the request, and some for every answer. */
const PROPORTION = 10
const EVERY_ANSWER = 64 * 1024

/** Answers that list what the PDP holds are bounded by themselves. */
const LARGEST = 4 * 1024 * 1024 + 1_024

/** Characters of a body that the PDP takes. */
const LIMIT = 1_000_000

t.setTimeout(400_000)

interface Schema {
  readonly type?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly enum?: readonly unknown[]
  readonly pattern?: string
  readonly minLength?: number
  readonly maxItems?: number
  readonly patternProperties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: boolean | Schema
}

interface Operation {
  readonly method: string
  readonly path: string
  readonly body: Schema | undefined
  readonly query: ReadonlyArray<{ readonly name: string, readonly schema: Schema }>
}

/** How a body is made large. */
interface Growth {
  readonly name: string
  /** Members that are not required are there, too. */
  readonly all: boolean
  readonly text: (name: string, index: number) => string
  readonly items: number
  readonly names: number
}

const short = (name: string, index: number): string => WORDS[name] ?? `${name}${index}`

/** Words that exist, so that an attack gets beyond the look-up. */
const WORDS: Readonly<Record<string, string>> = {
  role: 'viewer',
  tenant: 'acme',
  resource: 'task',
  type: 'task',
  action: 'approve',
  name: 'approve',
  permission: 'task:approve',
  user: 'user1',
  on_resource: 'task',
  id: 'user1',
  linked_by_relation: 'parent',
  relation: 'parent',
  subject: 'task:1',
  object: 'task:2',
  resource_instance: 'task:1',
  user_set: 'wide0',
  resource_set: 'task',
  subject_resource: 'task'
}

const GROWTHS: readonly Growth[] = [
  { name: 'many items, nothing in them', all: false, text: short, items: 1_000_000, names: 1 },
  { name: 'many items, all in them', all: true, text: short, items: 1_000_000, names: 1 },
  { name: 'one long text each', all: false, text: (name, index) => short(name, index) + 'x'.repeat(index === 0 ? 100_000 : 0), items: 5_000, names: 1 },
  { name: 'all texts long', all: true, text: name => `${WORDS[name] ?? name}${'x'.repeat(20_000)}`, items: 40, names: 1 },
  { name: 'objects with many names', all: true, text: short, items: 1, names: 80_000 },
  { name: 'a wrong text', all: true, text: name => `${name} wrong`, items: 1_000_000, names: 1_000 }
]

/** A value that fits the schema, as large as the growth says; gives up at the limit. */
function grow (schema: Schema, growth: Growth, name: string, index: number, left: { bytes: number }, depth = 0): unknown {
  left.bytes -= 4 + name.length
  if (schema.enum !== undefined) return schema.enum[0]
  if (schema.anyOf !== undefined) return grow(schema.anyOf.find(({ type }) => type !== 'null') ?? {}, growth, name, index, left, depth)
  switch (schema.type) {
    case 'array': {
      const items: unknown[] = []
      const most = Math.min(growth.items, schema.maxItems ?? Infinity)
      while (items.length < most && left.bytes > 0) items.push(grow(schema.items ?? {}, growth, name.replace(/s$/, ''), items.length, left, depth + 1))
      return items
    }
    case 'object': {
      const entries: Array<[string, unknown]> = Object.entries(schema.properties ?? {}).filter(([key]) => growth.all || schema.required?.includes(key) === true)
        .map(([key, inner]) => [key, grow(inner, growth, key, index, left, depth + 1)])
      const [inner] = Object.values(schema.patternProperties ?? {})
      const isOpen = schema.properties === undefined || Object.keys(schema.properties).length === 0
      const most = isOpen ? growth.names : 0
      for (let count = 0; count < most && left.bytes > 0; count++) {
        left.bytes -= 8
        entries.push([`n${count}`, inner === undefined ? 1 : grow(inner, growth, 'name', count, left, depth + 1)])
      }
      return Object.fromEntries(entries)
    }
    case 'string': {
      const text = growth.text(name, index)
      left.bytes -= text.length
      return schema.pattern?.includes(':') === true && !text.includes(':') ? `task:${text}` : text
    }
    case 'integer': case 'number': return 1
    case 'boolean': return true
    default: return 'x'
  }
}

const isDecision = (path: string): boolean => !/^\/(facts|v2)/.test(path)

/** Bodies that fit a schema, and bodies that no schema has to do with. */
function bodies (operation: Operation): Array<[string, string]> {
  const grown = GROWTHS.map(({ name, ...growth }): [string, string] => [name, JSON.stringify(grow(operation.body ?? {}, { name, ...growth }, '', 0, { bytes: LIMIT * (growth.names > 10_000 || growth.items > 100_000 ? (isDecision(operation.path) ? 0.6 : 0.25) : 0.1) }))])
  const fill = (piece: string, before: string, after: string): string => `${before}${piece.repeat(Math.floor((LIMIT - 100) / piece.length))}${after}`
  const names = (count: number, name: (index: number) => string): string => `{${Array.from({ length: count }, (_, index) => `"${name(index)}":1`).join(',')}}`
  const shaped = `[${Array.from({ length: 60_000 }, (_, index) => `{"${index.toString(36)}":1}`).join(',')}]`
  return [
    ...grown,
    ['brackets', fill('[],', '[', '[]]')],
    ['braces', fill('{},', '[', '{}]')],
    ['objects that differ', shaped],
    ['a dictionary', names(80_000, index => `k${index}`)],
    ['a dictionary of numbers', names(80_000, index => String(index * 1_000_003))],
    ['a dictionary in each member', `{${['user', 'resource', 'context', 'subject', 'operations', 'attributes', 'conditions', 'actions'].map(key => `"${key}":${names(9_000, index => `k${index}`)}`).join(',')}}`],
    ['open brackets', '['.repeat(LIMIT - 10)],
    ['no JSON', `[${'1,'.repeat(400_000)}`],
    ['one text', `"${'x'.repeat(LIMIT - 10)}"`],
    ['blanks', ' '.repeat(LIMIT - 10)],
    ['too large', 'x'.repeat(LIMIT * 3)]
  ]
}

/** Bodies that are for routes that decide, and for one that writes. */
const TEXTS = new Set(['one long text each', 'all texts long', 'many items, nothing in them'])

/** Routes that get the bodies that no schema has to do with: one of each kind. */
const ALL = new Set(['/allowed', '/allowed/bulk', '/facts/users', '/facts/bulk/users'])

const wide = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`wide${index}`, { conditions: { anyOf: [{ 'user.level': { equals: index } }, { 'user.list': { array_subset: { ref: 'context.list' } } }] } }]))

const policy: Policy = {
  resources: {
    task: {
      actions: { read: {}, write: {}, approve: {} },
      relations: { parent: 'task' },
      roles: {
        owner: { permissions: ['write'], granted_to: { users_with_role: [{ role: 'owner', on_resource: 'task', linked_by_relation: 'parent' }] } }
      }
    },
    folder: { actions: { read: {} }, roles: { reader: {} } }
  },
  roles: { viewer: { permissions: ['task:read'] } },
  user_sets: wide,
  resource_sets: { big: { resource: 'task', conditions: { 'resource.size': { 'greater-than': 7 } } } },
  set_rules: Object.keys(wide).map(user => ({ user_set: user, permission: 'task:approve', resource_set: 'big' })),
  tenants: { acme: { attributes: { plan: 'gold' } } }
}

const USERS = 20_000
const TENANTS = 3_000
const INSTANCES = 5_000

/** A PDP that holds a lot. */
async function heavyPdp (): Promise<LocalPdp> {
  const users = Object.fromEntries(Array.from({ length: USERS }, (_, index) => [`user${index}`, { email: `user${index}@example.com`, attributes: { level: index % 7 } }]))
  const tenants = Object.fromEntries(Array.from({ length: TENANTS }, (_, index) => [`tenant${index}`, {}]))
  const app = createLocalPdp({
    token: TOKEN,
    policy: {
      ...policy,
      users: { ...users, large: { attributes: { text: 'x'.repeat(900_000) } } },
      tenants: { ...policy.tenants, ...tenants },
      role_assignments: [
        ...Array.from({ length: USERS }, (_, index) => ({ user: `user${index}`, role: 'viewer', tenant: 'acme' })),
        ...Array.from({ length: TENANTS }, (_, index) => ({ user: 'user1', role: 'viewer', tenant: `tenant${index}` })),
        ...Array.from({ length: INSTANCES }, (_, index) => ({ user: 'user1', role: 'owner', tenant: 'acme', resource_instance: `task:${index}` })),
        ...Array.from({ length: 3_000 }, (_, index) => ({ user: `user${index + 10}`, role: 'owner', tenant: 'acme', resource_instance: 'task:0' }))
      ],
      relationship_tuples: Array.from({ length: INSTANCES }, (_, index) => ({ subject: `task:${index}`, relation: 'parent', object: `task:${(index + 1) % INSTANCES}`, tenant: 'acme' }))
    }
  })
  await app.listen({ port: 0 })
  return app
}

/** What the document says of the routes. */
async function operationsOf (app: LocalPdp): Promise<Operation[]> {
  const document = (await app.inject({ url: '/openapi.json', headers: { authorization: `Bearer ${TOKEN}` } })).json() as {
    paths: Record<string, Record<string, { requestBody?: { content: Record<string, { schema: Schema }> }, parameters: Array<{ in: string, name: string, schema: Schema }> }>>
  }
  return Object.entries(document.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, { requestBody, parameters }]) => ({
    method: method.toUpperCase(),
    path,
    body: requestBody?.content['application/json']?.schema,
    query: parameters.filter(parameter => parameter.in === 'query')
  })))
}

const PARAMS: Readonly<Record<string, string>> = { project_id: 'default', environment_id: 'default', user: 'user9999', tenant: 'acme', instance: 'task:1', resource: 'task', role: 'viewer', parent: 'viewer', set: 'wide0', part: 'read' }

function urlOf (path: string, given: Readonly<Record<string, string>> = {}): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(given[name] ?? PARAMS[name] ?? 'x'))
}

const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }

/** Whether the answer tells what the PDP holds: a list, or what was written, as it is now. */
const isList = (method: string, path: string): boolean => method === 'GET' || /^\/(facts|v2)|user-permissions|user-tenants|authorized_users|all-tenants/.test(path)

t.test('no request body blocks the event loop, or gets an answer larger than a small multiple of itself', async t => {
  const app = await heavyPdp()
  const client = new ThreadClient()
  t.teardown(async () => { await client.close(); await app.close() })
  const url = `http://127.0.0.1:${(app.server.address() as { port: number }).port}`
  const operations = (await operationsOf(app)).filter(({ path, method, body }) => (method !== 'DELETE' || body !== undefined) && !path.startsWith('/v2/facts'))
  const beat = new Beat()
  const found: Record<string, number> = {}
  for (const operation of operations) {
    const { method, path, body, query } = operation
    const attacks: Array<[string, string, string | undefined]> = [
      ['no body', urlOf(path), undefined],
      ['long parameters', urlOf(path, Object.fromEntries(Object.keys(PARAMS).map(name => [name, name.endsWith('_id') ? 'default' : 'x'.repeat(2_000)]))), undefined],
      ['the query', `${urlOf(path)}?${query.map(({ name, schema }) => `${name}=${schema.type === 'boolean' ? 'true' : name === 'per_page' ? 100 : schema.type === 'integer' ? 1 : encodeURIComponent(WORDS[name] ?? 'user')}`).join('&')}`, undefined],
      ['a far page', `${urlOf(path)}?page=1000000&per_page=100`, undefined],
      ...body === undefined ? [] : bodies(operation).filter(([name]) => ALL.has(path) || (TEXTS.has(name) ? isDecision(path) : GROWTHS.some(growth => growth.name === name))).map(([name, text]): [string, string, string] => [name, urlOf(path), text])
    ]
    for (const [name, target, text] of attacks) {
      let best = Infinity
      let exchange: Exchange | undefined
      for (let attempt = 0; attempt < 10 && best > LONGEST; attempt++) {
        beat.start()
        exchange = await client.send({ url: url + target, method, headers, body: text })
        best = Math.min(best, beat.stop())
      }
      const { bytesIn, bytesOut, status, start } = exchange!
      const what = `${method} ${path}: ${name}`
      found[`${status}`] = (found[`${status}`] ?? 0) + 1
      if (status < 200 || status === 500) t.fail(`${what}: ${status} ${start}`)
      if (!isBelow(best, LONGEST)) t.fail(`${what}: held for ${best.toFixed()} ms (${status}, ${bytesIn} in, ${bytesOut} out)`)
      if (bytesOut > (isList(method, path) ? LARGEST : EVERY_ANSWER + PROPORTION * bytesIn)) t.fail(`${what}: ${bytesIn} in, ${bytesOut} out`)
    }
  }
  t.comment(JSON.stringify(found))
  t.equal((await client.send({ url: `${url}/healthy`, method: 'GET', headers })).status, 200)
})

t.test('no deletion blocks the event loop, whatever is deleted with it, and all of it is deleted', async t => {
  // The least of a few attempts, because other processes want the processor, too.
  const least = new Map<string, number>()
  for (let attempt = 0; attempt < 4 && [...least.values(), ...attempt === 0 ? [Infinity] : []].some(held => held > LONGEST); attempt++) {
    for (const [path, held] of await deletions(t)) least.set(path, Math.min(held, least.get(path) ?? Infinity))
  }
  for (const [path, held] of least) t.ok(isBelow(held, LONGEST), `${path}: held for ${held.toFixed()} ms`)
})

/** Deletes from a new PDP, and returns for how long each deletion held the event loop, ms. */
async function deletions (t: Test): Promise<Map<string, number>> {
  const times = new Map<string, number>()
  const app = await heavyPdp()
  const client = new ThreadClient()
  const url = `http://127.0.0.1:${(app.server.address() as { port: number }).port}`
  const count = async (path: string) => ((await app.inject({ url: path, headers })).json() as { total_count: number }).total_count
  const schema = '/v2/schema/default/default'
  const beat = new Beat()
  for (const [path, body, counted] of [
    ['/facts/resource_instances/task:0', undefined, '/facts/role_assignments?resource_instance=task:0&include_total_count=true'],
    ['/facts/tenants/acme/users/user1', undefined, '/facts/role_assignments?user=user1&tenant=acme&include_total_count=true'],
    [`${schema}/resources/task/relations/parent`, undefined, '/facts/relationship_tuples?include_total_count=true'],
    ['/facts/users/user1', undefined, '/facts/role_assignments?user=user1&include_total_count=true'],
    ['/facts/bulk/users', { idents: Array.from({ length: 1_000 }, (_, index) => `user${index + 2}`) }, '/facts/role_assignments?user=user2&include_total_count=true'],
    ['/facts/bulk/resource_instances', { idents: Array.from({ length: 1_000 }, (_, index) => `task:${index + 1}`) }, '/facts/resource_instances?search=task:7&include_total_count=true'],
    [`${schema}/resources/task`, undefined, '/facts/resource_instances?include_total_count=true'],
    [`${schema}/roles/viewer`, undefined, '/facts/role_assignments?role=viewer&include_total_count=true'],
    ['/facts/tenants/acme', undefined, '/facts/role_assignments?tenant=acme&include_total_count=true']
  ] as const) {
    beat.start()
    const { status, start } = await client.send({ url: url + path, method: 'DELETE', headers, body: body === undefined ? undefined : JSON.stringify(body) })
    times.set(path, beat.stop())
    t.match(status, /^20/, `${path}: ${start}`)
    t.equal(await count(counted), 0, path)
  }
  await client.close()
  await app.close()
  return times
}
