// Options and values whose content cannot be seen, such as a promise without an await, are refused by every function that takes them.
import Fastify, { type FastifyInstance } from 'fastify'
import fc from 'fast-check'
import t from 'tap'
import permit from '../../src/index.js'

// `ann` may create tasks in `default` only: an answer to a question with a lost tenant would be yes.
const policy = {
  resources: { task: { actions: { create: {}, list: {} } } },
  roles: { admin: { permissions: ['task:create', 'task:list'] } },
  users: { ann: {} },
  role_assignments: [{ user: 'ann', role: 'admin', tenant: 'default' }]
}

class Private {
  #tenant = 't1'
  get theTenant () { return this.#tenant }
}

/** Each means the tenant `t1`, in a place where no option is looked for. */
const UNSEEN: Record<string, () => object> = {
  'a promise': () => Promise.resolve({ tenant: 't1' }),
  'a Map': () => new Map([['tenant', 't1']]),
  'a Set': () => new Set(['t1']),
  Headers: () => new Headers({ tenant: 't1' }),
  URLSearchParams: () => new URLSearchParams('tenant=t1'),
  'an instance with private fields': () => new Private(),
  'a misspelled inherited option': () => Object.create({ tenat: 't1' }) as object
}

type Ask = (app: FastifyInstance['permit'], unseen: never) => unknown

async function drain (results: AsyncIterable<unknown>): Promise<void> {
  const seen: unknown[] = []
  for await (const result of results) seen.push(result)
}

const PLACES: Record<string, Ask> = {
  check: (app, unseen) => app.check('ann', 'create', 'task', unseen),
  assert: (app, unseen) => app.assert('ann', 'create', 'task', unseen),
  explain: (app, unseen) => app.explain('ann', 'create', 'task', unseen),
  'bulkCheck of a user': (app, unseen) => app.bulkCheck('ann', [{ action: 'create', resource: 'task' }], unseen),
  'bulkCheck of users': (app, unseen) => app.bulkCheck([{ user: 'ann', action: 'create', resource: 'task' }], unseen),
  filter: (app, unseen) => app.filter('ann', 'create', [1], () => 'task', unseen),
  plan: (app, unseen) => app.plan('ann', 'list', 'task', unseen),
  permissions: (app, unseen) => app.permissions('ann', unseen),
  searchResources: (app, unseen) => drain(app.searchResources('ann', 'list', 'task', unseen)),
  searchActions: (app, unseen) => drain(app.searchActions('ann', 'task', unseen)),
  searchUsers: (app, unseen) => drain(app.searchUsers('create', 'task', unseen)),
  tenants: (app, unseen) => drain(app.tenants('ann', unseen)),
  'guard()': (app, unseen) => app.guard('task:create', unseen),
  context: (app, unseen) => app.check('ann', 'create', 'task', { context: unseen }),
  'a value of the context': (app, unseen) => app.check('ann', 'create', 'task', { context: { value: [unseen] } }),
  'attributes of the user': (app, unseen) => app.check({ key: 'ann', attributes: unseen }, 'create', 'task'),
  'attributes of the resource': (app, unseen) => app.check('ann', 'create', { type: 'task', attributes: unseen }),
  'an item of filter': (app, unseen) => app.filter('ann', 'create', [1], () => ({ type: 'task', attributes: { of: unseen } }))
}

t.test('no function ignores an object whose content cannot be read', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(permit, { policy })
  await app.ready()
  await t.rejects(app.permit.check('ann', 'create', 'task', new Date() as never), { code: 'FST_PERMIT_QUERY' })
  for (const [place, ask] of Object.entries(PLACES)) {
    for (const [name, make] of Object.entries(UNSEEN)) {
      await t.rejects(async () => ask(app.permit, make() as never), { code: 'FST_PERMIT_QUERY' }, `${place}: ${name}`)
    }
  }
  await t.rejects(app.permit.check('ann', 'create', 'task', Promise.resolve({}) as never), { message: /got a promise, which needs an await$/ })
})

t.test('options that are inherited, or read by a getter, count', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(permit, { policy })
  await app.ready()
  class Getter { get tenant () { return 't1' } }
  for (const options of [Object.create({ tenant: 't1' }) as object, new Getter(), Object.defineProperty({}, 'tenant', { value: 't1' })]) {
    t.equal(await app.permit.check('ann', 'create', 'task', options), false)
  }
})

t.test('a user with a misspelled property is refused, and other properties of a user are left alone', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(permit, { policy })
  await app.ready()
  for (const name of ['atributes', 'attribute', 'Attributes', 'attributes_', 'firstname', 'lastname', 'e_mail', 'Email']) {
    await t.rejects(app.permit.check({ key: 'ann', [name]: {} } as never, 'create', 'task'), /did you mean/, name)
  }
  const row = { key: 'ann', email: 'a@x.org', id: 7, createdAt: new Date(), sub: 'ann', roles: ['x'], iat: 1, exp: 2, name: 'Ann' }
  t.equal(await app.permit.check(row, 'create', 'task'), true)
})

t.test('a hole in anyOf or allOf is no permission', async t => {
  await fc.assert(fc.asyncProperty(
    fc.constantFrom('anyOf', 'allOf'), fc.array(fc.boolean(), { maxLength: 4 }), fc.nat(4), async (combination, others, at) => {
      const parts = others.map(() => 'task:create')
      const place = Math.min(at, parts.length)
      const holed = [...parts.slice(0, place), 'task:create', ...parts.slice(place)]
      delete holed[place]
      const app = Fastify()
      try {
        await app.register(permit, { policy, user: () => 'ann' })
        await t.rejects(async () => app.get('/', { config: { permit: { [combination]: holed } as never } }, async () => ''), /undefined/)
      } finally {
        await app.close()
      }
    }), { numRuns: 20, examples: [['allOf', [true], 1]] })
})
