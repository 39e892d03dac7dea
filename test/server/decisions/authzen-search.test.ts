// AuthZEN's searches find everything that an evaluation allows, and nothing else, in pages.
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
  t.equal((await post('/access/v1/search/subject', { ...search, page: { limit: 0 } })).status, 400)
  t.equal((await post('/access/v1/search/subject', { ...search, resource: { type: 'task' } })).status, 400, 'a subject is searched for a resource')
  t.same((await post('/access/v1/search/subject', { ...search, page: null })).status, 200)
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
