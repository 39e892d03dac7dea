// OpenID AuthZEN 1.0, as any of its clients would ask.
import t from 'tap'
import { pdpFor } from '../support.js'

const question = {
  subject: { type: 'user', id: 'ada' },
  action: { name: 'read' },
  resource: { type: 'task', id: '7', properties: { tenant: 'acme' } }
}

t.test('evaluation decides one check', async t => {
  const { post } = await pdpFor(t)
  const { status, json } = await post('/access/v1/evaluation', question)
  t.equal(status, 200)
  t.match(json, { decision: true, context: { rbac: { code: 'allow' } } })
  t.match((await post('/access/v1/evaluation', { ...question, resource: { type: 'task', id: '7' } })).json, { decision: false }, 'in the tenant default')
  t.match((await post('/access/v1/evaluation', { ...question, subject: { type: 'user', id: 'bob', properties: { age: 20 } }, action: { name: 'approve', properties: { method: 'POST' } } })).json, { decision: true })
})

t.test('evaluations: the values at the top level are defaults', async t => {
  const { post } = await pdpFor(t)
  const { json } = await post('/access/v1/evaluations', {
    subject: question.subject,
    action: question.action,
    evaluations: [
      { resource: question.resource },
      { resource: question.resource, action: { name: 'write' } },
      { resource: question.resource, subject: { type: 'user', id: 'eve' } },
      question
    ]
  })
  t.same((json as { evaluations: Array<{ decision: boolean }> }).evaluations.map(({ decision }) => decision), [true, false, false, true])
})

t.test('evaluations: an item\'s own context replaces the default', async t => {
  const { post } = await pdpFor(t, {
    policy: {
      resources: { task: { actions: { read: {} } } },
      user_sets: { early: { conditions: { allOf: [{ 'context.hour': { 'less-than': 9 } }, { 'context.day': { equals: 'Monday' } }] } } },
      set_rules: [{ user_set: 'early', permission: 'task:read', resource_set: 'task' }],
      users: { ada: {} }
    }
  })
  const { json } = await post('/access/v1/evaluations', {
    ...question,
    resource: { type: 'task', id: '1' },
    context: { hour: 8, day: 'Monday' },
    evaluations: [{}, { context: { hour: 8 } }, { context: { hour: 8, day: 'Monday' } }]
  })
  t.same((json as { evaluations: Array<{ decision: boolean }> }).evaluations.map(({ decision }) => decision), [true, false, true])
})

t.test('evaluations: the first deny or the first allow ends the batch, depending on the semantic', async t => {
  const { post } = await pdpFor(t)
  const evaluations = ['write', 'read', 'write', 'read'].map(name => ({ action: { name } }))
  const decisions = async (semantic: string | undefined, items = evaluations) => {
    const { json } = await post('/access/v1/evaluations', { ...question, evaluations: items, ...(semantic === undefined ? {} : { options: { evaluations_semantic: semantic } }) })
    return (json as { evaluations: Array<{ decision: boolean }> }).evaluations.map(({ decision }) => decision)
  }
  t.same(await decisions(undefined), [false, true, false, true])
  t.same(await decisions('execute_all'), [false, true, false, true])
  t.same(await decisions('deny_on_first_deny'), [false])
  t.same(await decisions('deny_on_first_deny', evaluations.slice(1)), [true, false])
  t.same(await decisions('permit_on_first_permit'), [false, true])
  t.same(await decisions('permit_on_first_permit', evaluations.slice(0, 1)), [false])
})

t.test('evaluations without a list are one evaluation', async t => {
  const { post } = await pdpFor(t)
  t.match((await post('/access/v1/evaluations', question)).json, { decision: true })
  t.match((await post('/access/v1/evaluations', { ...question, evaluations: [] })).json, { decision: true })
})

t.test('a malformed request is 400, with a plain message', async t => {
  const { post } = await pdpFor(t)
  const { status, headers, text } = await post('/access/v1/evaluation', { ...question, action: 'read' })
  t.equal(status, 400)
  t.match(headers.get('content-type'), /^text\/plain/)
  t.match(text, /body\.action/)
  t.equal((await post('/access/v1/evaluation', '{')).status, 400)
  t.equal((await post('/access/v1/evaluation', { ...question, resource: { type: 'task', id: '1', properties: { tenant: 7 } } })).status, 400)
  t.equal((await post('/access/v1/evaluation', { ...question, subject: undefined })).status, 400)
  const missing = await post('/access/v1/evaluations', { subject: question.subject, evaluations: [question, { action: question.action }] })
  t.equal(missing.status, 200)
  t.match(missing.json, { evaluations: [{ decision: true }, { decision: false, context: { error: { status: 400, message: /resource/ } } }] }, 'an item that is malformed is answered by itself')
  for (const item of [7, null, [], { resource: 'task' }, { resource: { type: 'task' } }, { resource: question.resource, subject: { id: 'ada' } }]) {
    t.match((await post('/access/v1/evaluations', { subject: question.subject, action: question.action, evaluations: [question, item] })).json, { evaluations: [{ decision: true }, { decision: false, context: { error: { status: 400 } } }] }, JSON.stringify(item))
  }
  const none = await post('/access/v1/evaluations', { subject: question.subject, evaluations: [{ action: question.action }] })
  t.equal(none.status, 400, 'a batch in which nothing is a question is malformed')
  t.match(none.text, /evaluations\[0\].*resource/)
  t.equal((await post('/access/v1/evaluations', { ...question, evaluations: [{}], options: { evaluations_semantic: 'guess' } })).status, 400)
})

t.test('the id of a request is returned', async t => {
  const { post } = await pdpFor(t)
  t.equal((await post('/access/v1/evaluation', question, { 'x-request-id': 'abc-123' })).headers.get('x-request-id'), 'abc-123')
  t.equal((await post('/access/v1/evaluation', question)).headers.get('x-request-id'), null)
})

t.test('the metadata has the endpoints, at the address of the request', async t => {
  const { url, get, post } = await pdpFor(t)
  const { json } = await get('/.well-known/authzen-configuration')
  t.same(json, {
    policy_decision_point: url,
    access_evaluation_endpoint: `${url}/access/v1/evaluation`,
    access_evaluations_endpoint: `${url}/access/v1/evaluations`,
    search_subject_endpoint: `${url}/access/v1/search/subject`,
    search_resource_endpoint: `${url}/access/v1/search/resource`,
    search_action_endpoint: `${url}/access/v1/search/action`
  })
  const { access_evaluation_endpoint: endpoint } = json as { access_evaluation_endpoint: string }
  t.match((await post(endpoint.slice(url.length), question)).json, { decision: true })
})
