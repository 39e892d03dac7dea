// The example app, asked in this process: the quickstart's story, and what each of its people may do.
import t from 'tap'
import { Tasks } from '../../example-app/tasks.js'
import { REQUESTS, RIGHTS, start } from './story.js'

t.test("the quickstart's first route permits John to retrieve a task in the default tenant", async t => {
  const { ask } = await start(t)
  const answer = await ask(undefined, 'GET', '/')
  t.equal(answer.statusCode, 200)
  t.equal(answer.body, '{"result":"John Smith is PERMITTED to retrieve task!"}')
})

t.test("the quickstart's second route does not permit John to create a task in tenant2", async t => {
  const { ask } = await start(t)
  const answer = await ask(undefined, 'GET', '/tenant2')
  t.equal(answer.statusCode, 403)
  t.equal(answer.body, '{"result":"John Smith is NOT PERMITTED to create task (tenant 2)!"}')
})

for (const [who, is, statuses] of RIGHTS) {
  t.test(`${is} may do what the policy says, in both tenants`, async t => {
    const { ask } = await start(t)
    for (const [index, [method, url, payload]] of REQUESTS.entries()) {
      const answer = await ask(who, method, url, payload)
      t.equal(answer.statusCode, statuses[index], `${method} ${url}`)
      if (answer.statusCode === 401) t.equal(answer.json().code, 'FST_PERMIT_UNAUTHENTICATED')
      if (answer.statusCode === 403) t.equal(answer.json().code, 'FST_PERMIT_FORBIDDEN')
    }
  })
}

t.test('a tenant that does not exist is refused, and nothing is created in it', async t => {
  const { ask } = await start(t)
  t.equal((await ask('ada', 'POST', '/tenants/nowhere/tasks', { title: 'Lost' })).statusCode, 403)
  t.equal((await ask('ada', 'GET', '/tenants//tasks')).statusCode, 403)
})

t.test('the list contains the tasks that the user may see, in every tenant', async t => {
  const { ask } = await start(t)
  const seenBy = async (name: string) => (await ask(name, 'GET', '/tasks')).json<Array<{ id: string }>>().map(task => task.id)
  t.same(await seenBy('ada'), ['1', '2'])
  t.same(await seenBy('victor'), ['1', '2'])
  t.same(await seenBy('tess'), ['3'])
  t.same(await seenBy('noel'), [])
  t.equal((await ask(undefined, 'GET', '/tasks')).statusCode, 401, 'and nobody at all nothing')
})

t.test('the list of a tenant comes page by page, in order, with the total of all pages and without tasks of other tenants', async t => {
  const { ask } = await start(t)
  for (let index = 3; index <= 45; index++) await ask('ada', 'POST', '/tenants/default/tasks', { title: `Task ${index}` })
  for (let index = 2; index <= 5; index++) await ask('tess', 'POST', '/tenants/tenant2/tasks', { title: `Other ${index}` })
  type Page = { tasks: Array<{ id: string, tenant: string, title: string, done: boolean }>, total: number }
  const pageOf = async (who: string, url: string) => (await ask(who, 'GET', url)).json<Page>()
  const pages = await Promise.all([1, 2, 3, 4].map(page => pageOf('victor', `/tenants/default/tasks?page=${page}`)))
  t.same(pages.map(({ tasks }) => tasks.length), [20, 20, 5, 0])
  t.same(pages.map(({ total }) => total), [45, 45, 45, 45])
  t.same(pages.flatMap(({ tasks }) => tasks.map(({ title }) => title)), [
    'Write the README', 'Water the plants', ...Array.from({ length: 43 }, (_, index) => `Task ${index + 3}`)
  ])
  t.ok(pages.every(({ tasks }) => tasks.every(({ tenant }) => tenant === 'default')))
  t.same(await pageOf('victor', '/tenants/default/tasks'), pages[0], 'the first page is the default')
  const other = await pageOf('tess', '/tenants/tenant2/tasks?page=2&size=2')
  t.same([other.total, other.tasks.map(({ title }) => title)], [5, ['Other 3', 'Other 4']])
  t.equal((await ask('ada', 'GET', '/tenants/tenant2/tasks?page=2&size=2')).statusCode, 403)
})

t.test('a page that is none is refused', async t => {
  const { ask } = await start(t)
  for (const query of ['page=0', 'page=-1', 'page=x', 'page=1.5', 'size=0', 'size=101', 'page=1000001']) {
    t.equal((await ask('ada', 'GET', `/tenants/default/tasks?${query}`)).statusCode, 400, query)
  }
})

t.test('a plan of no rows has an empty page, and a plan never reaches into another tenant', async t => {
  const tasks = await Tasks.open()
  t.teardown(() => tasks.close())
  const all = { type: 'task', tenant: 'default' }
  const keys = { operator: 'in', field: 'key', value: ['1', '3'] } as const
  t.same(await tasks.page({ kind: 'none', ...all }, 1, 20), { tasks: [], total: 0 })
  t.match(await tasks.page({ kind: 'some', ...all, condition: keys }, 1, 20), { tasks: [{ id: '1', tenant: 'default' }], total: 1 })
  t.match(await tasks.page({ kind: 'all', ...all, tenant: 'tenant2' }, 1, 20), { tasks: [{ id: '3', tenant: 'tenant2' }], total: 1 })
})

t.test('a task has one id, and SQLite finds no task by another spelling of it', async t => {
  const { ask } = await start(t)
  for (const id of ['01', '1.0', '1e0', '+1', '%201', '0x1', '1%00']) {
    for (const [method, payload] of [['GET'], ['PATCH', { done: true }], ['DELETE']] as const) {
      t.equal((await ask('ada', method, `/tenants/default/tasks/${id}`, payload)).statusCode, 404, `${method} ${id}`)
    }
  }
  t.same((await ask('ada', 'GET', '/tenants/default/tasks/1')).json(), { id: '1', tenant: 'default', title: 'Write the README', done: false })
})

t.test('a task of another tenant is not found', async t => {
  const { ask } = await start(t)
  for (const [method, payload] of [['GET'], ['PATCH', { title: 'Mine now' }], ['DELETE']] as const) {
    t.equal((await ask('ada', method, '/tenants/default/tasks/3', payload)).statusCode, 404, `${method} is 404`)
  }
  t.same((await ask('tess', 'GET', '/tenants/tenant2/tasks/3')).json(), { id: '3', tenant: 'tenant2', title: 'Plan the party', done: false })
})

t.test('the body cannot move a task to another tenant', async t => {
  const { ask } = await start(t)
  t.match((await ask('ada', 'POST', '/tenants/default/tasks', { title: 'Sneak in', tenant: 'tenant2' })).json(), { tenant: 'default' })
  t.match((await ask('ada', 'PATCH', '/tenants/default/tasks/1', { tenant: 'tenant2', id: '3' })).json(), { id: '1', tenant: 'default' })
  t.equal((await ask('tess', 'GET', '/tenants/tenant2/tasks')).json().total, 1)
})

t.test('tasks are created, changed and deleted', async t => {
  const { ask } = await start(t)
  const created = (await ask('ada', 'POST', '/tenants/default/tasks', { title: 'Ship it' })).json()
  t.same(created, { id: '4', tenant: 'default', title: 'Ship it', done: false })
  t.same((await ask('ada', 'PATCH', '/tenants/default/tasks/4', { done: true })).json(), { ...created, done: true })
  t.same((await ask('victor', 'GET', '/tenants/default/tasks/4')).json(), { ...created, done: true })
  t.equal((await ask('ada', 'DELETE', '/tenants/default/tasks/4')).statusCode, 204)
  t.equal((await ask('ada', 'GET', '/tenants/default/tasks/4')).statusCode, 404)
})

t.test('a wrong password and an unknown email get no token', async t => {
  const { app } = await start(t)
  for (const payload of [{ email: 'ada@example.com', password: 'guess' }, { email: 'eve@example.com', password: 'ada' }]) {
    const answer = await app.inject({ method: 'POST', url: '/login', payload })
    t.equal(answer.statusCode, 401)
    t.notOk('token' in answer.json())
  }
})

t.test('a token that this app did not sign is refused', async t => {
  const { app } = await start(t)
  const other = await start(t)
  const stolen = await other.logIn('ada')
  for (const token of [stolen, 'nonsense', `${stolen}x`]) {
    const answer = await app.inject({ url: '/tenants/default/tasks', headers: { authorization: `Bearer ${token}` } })
    t.equal(answer.statusCode, 401)
  }
})

t.test('the OpenAPI document and its page list every route and its errors', async t => {
  const { app } = await start(t)
  t.equal((await app.inject('/docs/')).statusCode, 200)
  const { paths } = (await app.inject('/docs/json')).json()
  t.same(Object.keys(paths).sort(), ['/', '/login', '/tasks', '/tenant2', '/tenants/{tenant}/tasks', '/tenants/{tenant}/tasks/{id}'].sort())
  t.hasProps(paths['/tenants/{tenant}/tasks'].post.responses, ['201', '401', '403', '503'])
})
