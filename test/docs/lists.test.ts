// docs/lists.md: what its snippets make of a real plan, and that its table of refusals is what the targets do.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import permit, { type Plan } from '../../src/index.js'
import type { Condition } from '../../src/contract/plan.js'
import { fields } from '../../src/lists/fields.js'
import { toMongo } from '../../src/lists/mongo.js'
import { toPrisma } from '../../src/lists/prisma.js'
import { toKysely } from '../../src/lists/kysely.js'
import { code, documentOf, folderWith, sourcesOf, tableIn } from '../support/documents.js'
import '../support/loader.js'

t.test('the array on the page is filtered as check would filter it', async t => {
  const folder = await folderWith(t, await sourcesOf('docs/lists.md'))
  const { visible } = await import(pathToFileURL(join(folder, 'arrays.ts')).href) as { visible: (plan: Plan, tasks: object[]) => object[] }
  const app = Fastify()
  await app.register(permit, {
    policy: {
      resources: { task: { actions: { read: {} } } },
      user_sets: { everybody: { conditions: { allOf: [] } } },
      resource_sets: { own: { resource: 'task', conditions: { 'resource.owner': { equals: { ref: 'user.key' } } } } },
      set_rules: [{ user_set: 'everybody', permission: 'task:read', resource_set: 'own' }],
      users: { ann: {}, bob: {} }
    }
  })
  t.teardown(() => app.close())
  await app.ready()
  const tasks = [{ id: 1, tenantId: 'default', ownerId: 'ann' }, { id: 2, tenantId: 'default', ownerId: 'bob' }, { id: 3, tenantId: 'other', ownerId: 'ann' }, { id: 4, tenantId: 'default', ownerId: null }]
  t.same(visible(await app.permit.plan('ann', 'read', 'task'), tasks), [tasks[0]])
  for (const task of tasks) {
    const allow = await app.permit.check('ann', 'read', { type: 'task', key: String(task.id), tenant: 'default', attributes: { owner: task.ownerId } })
    t.equal(visible(await app.permit.plan('ann', 'read', 'task'), [{ ...task, tenantId: 'default' }]).length === 1, allow)
  }
})

t.test('the search and the filter on the page find what check allows', async t => {
  const policy = {
    resources: { task: { actions: { retrieve: {} }, roles: { reader: { permissions: ['retrieve'] } } } },
    roles: { viewer: { permissions: ['task:retrieve'] } },
    tenants: { acme: {} },
    users: { ann: {}, bob: {} },
    role_assignments: [{ user: 'ann', role: 'viewer', tenant: 'acme' }, { user: 'ann', role: 'reader', resource_instance: 'task:7' }]
  }
  const folder = await folderWith(t, { ...await sourcesOf('docs/lists.md'), 'permit.yaml': JSON.stringify(policy) })
  const before = process.cwd()
  process.chdir(folder)
  t.teardown(() => process.chdir(before))
  const { app } = await import(pathToFileURL(join(folder, 'search.ts')).href) as { app: FastifyInstance }
  t.teardown(() => app.close())
  t.same((await app.inject({ url: '/shared', headers: { 'x-user': 'ann' } })).json(), [{ type: 'task', key: '7', tenant: 'default' }])
  t.same((await app.inject({ url: '/shared', headers: { 'x-user': 'bob' } })).json(), [])
  const { firstTasks } = await import(pathToFileURL(join(folder, 'filter.ts')).href) as { firstTasks: (permit: unknown, user: string, cursor: unknown) => Promise<unknown[]> }
  async function * cursor () { for (let id = 0; ; id++) yield { id: `${id}`, tenant: id % 2 === 0 ? 'acme' : 'default' } }
  t.same((await firstTasks(app.permit, 'ann', cursor())).slice(0, 6), [0, 2, 4, 6, 7, 8].map(id => ({ id: `${id}`, tenant: id === 7 ? 'default' : 'acme' })))
})

const mapping = fields({
  database: 'postgresql',
  key: 'id',
  tenant: 'tenant',
  attributes: { text: { column: 'a', type: 'text' }, other: { column: 'b', type: 'text' }, number: { column: 'n', type: 'number' }, more: { column: 'm', type: 'number' }, list: { column: 'l', type: 'json' }, tags: { column: 't', type: 'array' } }
})

/** A comparison for each operator, and in which column of the table there is a target that can say it. */
const EXAMPLES: Record<string, readonly [field: string, value: unknown]> = {
  eq: ['text', 'a'],
  ne: ['text', 'a'],
  in: ['text', ['a']],
  lt: ['number', 1],
  lte: ['number', 1],
  gt: ['number', 1],
  gte: ['number', 1],
  contains: ['text', 'a'],
  contained: ['text', 'a'],
  array_contains: ['tags', 'a'],
  array_superset: ['tags', ['a']],
  array_intersect: ['tags', ['a']],
  array_subset: ['tags', ['a']],
  spans: ['list', 1],
  object_match: ['list', { operator: 'eq', field: 'item.a', value: 1 }],
  any_match: ['list', { operator: 'eq', field: 'item.a', value: 1 }],
  all_match: ['list', { operator: 'eq', field: 'item.a', value: 1 }],
  eq_field: ['text', 'attributes.other'],
  ne_field: ['text', 'attributes.other'],
  lt_field: ['number', 'attributes.more'],
  gte_field: ['number', 'attributes.more'],
  contains_field: ['text', 'attributes.other'],
  in_field: ['text', 'attributes.list'],
  array_contains_field: ['list', 'attributes.text'],
  array_subset_field: ['list', 'attributes.tags'],
  array_superset_field: ['list', 'attributes.tags'],
  array_intersect_field: ['list', 'attributes.tags'],
  between_field: ['number', 'attributes.list']
}

t.test('the table of refusals says what each target does with each operator', async t => {
  const rows = tableIn(await documentOf('docs/lists.md'), ' | Kysely, Knex, Drizzle'.slice(1))
  const seen = new Set<string>()
  for (const [operators = '', ...answers] of rows) {
    for (const operator of code(operators)) {
      const [field, value] = EXAMPLES[operator] ?? t.fail(`no example of ${operator}`) as never
      seen.add(operator)
      const plan: Plan = { kind: 'some', type: 'task', tenant: 'acme', condition: { operator, field: `attributes.${field}`, value } as Condition }
      for (const [index, target] of [toKysely, toPrisma, toMongo].entries()) {
        let said = true
        try {
          target(plan, mapping)
        } catch (error) {
          if ((error as { code?: unknown }).code !== 'FST_PERMIT_TRANSLATION') throw error
          said = false
        }
        t.equal(said, answers[index] !== 'no', `${target.name} ${operator}: ${answers[index]}`)
      }
    }
  }
  t.same([...seen].sort(), Object.keys(EXAMPLES).sort(), 'every operator is in the table')
})
