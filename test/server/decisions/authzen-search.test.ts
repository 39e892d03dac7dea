// AuthZEN's searches find everything that an evaluation allows, and nothing else, in pages.
import fc from 'fast-check'
import t from 'tap'
import { pdpFor } from '../support.js'
import { policyWorlds } from '../../vectors/vectors.js'

t.test('a search finds what evaluations allow, including conditions', async t => {
  let found = 0
  for (const { policy } of policyWorlds().slice(0, 6)) {
    const { post } = await pdpFor(t, { policy, debug: false })
    const types = Object.keys(policy.resources ?? {})
    const evaluate = async (user: string, action: string, type: string, id: string, tenant: string) =>
      (await post('/access/v1/evaluation', { subject: { type: 'user', id: user }, action: { name: action }, resource: { type, id, properties: { tenant } } })).json as { decision: boolean }
    for (const { resource: type, key, tenant = 'default' } of policy.resource_instances ?? []) {
      const resource = { type, id: key, properties: { tenant } }
      const subjects = await post('/access/v1/search/subject', { subject: { type: 'user' }, action: { name: 'read' }, resource })
      for (const user of Object.keys(policy.users ?? {})) {
        const { decision } = await evaluate(user, 'read', type, key, tenant)
        t.equal(ids(subjects.json).includes(user), decision, `subject ${user} of ${type}:${key}`)
        const actions = await post('/access/v1/search/action', { subject: { type: 'user', id: user }, resource })
        t.equal((actions.json as Results).results.some(({ name }) => name === 'read'), decision)
        const resources = await post('/access/v1/search/resource', { subject: { type: 'user', id: user }, action: { name: 'read' }, resource: { type } })
        t.equal(ids(resources.json).includes(key), decision, `resource ${type}:${key} of ${user}`)
        if (decision) found++
      }
    }
    t.ok(types.length > 0)
  }
  t.ok(found > 0, `${found} of them`)
})

t.test('results are paged, and the token of a page is valid only for its search', async t => {
  const users = Object.fromEntries(Array.from({ length: 7 }, (_, index) => [`u${index}`, {}]))
  const { post } = await pdpFor(t, { policy: { resources: { task: { actions: { read: {} } } }, roles: { all: { permissions: ['task:read'] } }, users, role_assignments: Object.keys(users).map(user => ({ user, role: 'all' })) } })
  const search = { subject: { type: 'user' }, action: { name: 'read' }, resource: { type: 'task', id: '1', properties: { tenant: 'default' } } }
  const seen: string[] = []
  let token = ''
  for (let pages = 0; pages === 0 || token !== ''; pages++) {
    const { json } = await post('/access/v1/search/subject', { ...search, page: { limit: 3, ...(token === '' ? {} : { token }) } })
    seen.push(...ids(json))
    token = (json as Results).page.next_token
    t.ok(pages < 3)
  }
  t.same(seen, Object.keys(users))
  const { json } = await post('/access/v1/search/subject', { ...search, page: { limit: 3 } })
  const { next_token: next } = (json as Results).page
  t.equal((await post('/access/v1/search/subject', { ...search, action: { name: 'write' }, page: { token: next } })).status, 400)
  t.equal((await post('/access/v1/search/subject', { ...search, page: { token: '99999' } })).status, 400)
  t.equal((await post('/access/v1/search/subject', { ...search, page: { limit: 2, token: next } })).status, 400, 'the limit stays the same, as the standard has it')
  t.equal((await post('/access/v1/search/subject', { ...search, page: { limit: 3, token: next, properties: { sort: 'id' } } })).status, 400, 'and so do the properties')
  t.equal((await post('/access/v1/search/subject', { ...search, page: { limit: -1 } })).status, 400)
  t.match((await post('/access/v1/search/subject', { ...search, page: { limit: 0 } })).json, { results: [], page: { next_token: /./, count: 0 } }, 'the standard allows none')
  t.equal(Object.keys(json as object)[0], 'page', 'a client can show progress')
  t.equal((await post('/access/v1/search/subject', { ...search, resource: { type: 'task' } })).status, 400, 'a subject is searched for a resource')
  t.same((await post('/access/v1/search/subject', { ...search, page: null })).status, 200)
})

t.test('removals and additions between two pages leave nothing out that stays', async t => {
  const numbers = Array.from({ length: 40 }, (_, index) => `n${index}`)
  const policy = {
    resources: { task: { actions: { read: {} } } },
    roles: { all: { permissions: ['task:read'] } },
    users: { ann: {} },
    role_assignments: [{ user: 'ann', role: 'all' }],
    resource_instances: numbers.map(key => ({ resource: 'task', key, tenant: 'default' }))
  }
  await fc.assert(fc.asyncProperty(fc.array(fc.tuple(fc.constantFrom('remove', 'again', 'add'), fc.nat(39)), { maxLength: 30 }), fc.integer({ min: 1, max: 9 }), async (changes, limit) => {
    const { app, post, send } = await pdpFor({ teardown: () => {} } as never, { policy })
    const search = { subject: { type: 'user', id: 'ann' }, action: { name: 'read' }, resource: { type: 'task', properties: { tenant: 'default' } } }
    const touched = new Set<string>()
    const seen = new Set<string>()
    let token = ''
    let pages = 0
    do {
      const { json } = await post('/access/v1/search/resource', { ...search, page: { limit, ...(token === '' ? {} : { token }) } })
      for (const id of ids(json)) seen.add(id)
      token = (json as Results).page.next_token
      for (const [what, which] of changes.slice(pages * 3, pages * 3 + 3)) {
        const key = what === 'add' ? `new ${which}` : `n${which}`
        touched.add(key)
        if (what !== 'add') await send('DELETE', `/facts/resource_instances/task:${encodeURIComponent(key)}`)
        if (what !== 'remove') await post('/facts/resource_instances', { resource: 'task', key, tenant: 'default' })
      }
    } while (token !== '' && ++pages < 200)
    await app.close()
    const missed = numbers.filter(key => !touched.has(key) && !seen.has(key))
    if (missed.length > 0 || token !== '') throw new Error(`${missed} missed`)
  }), { numRuns: 10 })
  t.pass('in none of ten searches')
})

t.test('a search of many instances with few results comes in pages that are soon there', async t => {
  const policy = {
    resources: { task: { actions: { read: {} }, roles: { viewer: { permissions: ['read'] } } } },
    users: { ann: {} },
    role_assignments: [{ user: 'ann', role: 'viewer', tenant: 'default', resource_instance: 'task:last' }],
    resource_instances: [...Array.from({ length: 110_000 }, (_, index) => ({ resource: 'task', key: `${index}`, tenant: 'default' })), { resource: 'task', key: 'last', tenant: 'default' }]
  }
  const { post } = await pdpFor(t, { policy })
  const found: string[] = []
  const counts: number[] = []
  let token = ''
  do {
    const { json } = await post('/access/v1/search/resource', { subject: { type: 'user', id: 'ann' }, action: { name: 'read' }, resource: { type: 'task' }, page: token === '' ? {} : { token } })
    found.push(...ids(json))
    counts.push((json as { results: unknown[] }).results.length)
    token = (json as Results).page.next_token
  } while (token !== '' && counts.length < 10)
  t.same(found, ['last'])
  t.same(counts, [0, 1], 'a page ends after a hundred thousand decisions')
})

t.test('subjects whose type is not a user type are denied, with a reason, if the option names the types', async t => {
  const question = { subject: { type: 'service', id: 'ada' }, action: { name: 'read' }, resource: { type: 'task', id: '1', properties: { tenant: 'acme' } } }
  const open = await pdpFor(t)
  t.match((await open.post('/access/v1/evaluation', question)).json, { decision: true }, "as in Permit's PDP every type is one")
  const { post } = await pdpFor(t, { userTypes: ['user'] })
  t.match((await post('/access/v1/evaluation', question)).json, { decision: false, context: { reason: /'service'/ } })
  t.match((await post('/access/v1/evaluations', { ...question, evaluations: [{}, { subject: { type: 'user', id: 'ada' } }] })).json, { evaluations: [{ decision: false }, { decision: true }] })
  for (const search of ['subject', 'resource', 'action']) t.same(((await post(`/access/v1/search/${search}`, question)).json as Results).results, [], search)
  t.match((await post('/access/v1/search/subject', { ...question, subject: { type: 'user' } })).json, { results: [{ type: 'user', id: 'ada' }] })
})

interface Results { results: Array<{ id?: string, name?: string }>, page: { next_token: string } }

function ids (answer: unknown): string[] {
  return (answer as Results).results.flatMap(({ id }) => id === undefined ? [] : [id])
}
