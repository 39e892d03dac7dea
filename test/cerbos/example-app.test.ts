// The example app, decided by the real Cerbos: the same people may do the same, by the policies that come with the app.
import { fileURLToPath } from 'node:url'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { startApp } from '../example-app/start.js'
import { REQUESTS, RIGHTS, start } from '../example-app/story.js'
import { binary, startCerbos } from './server.js'

if (binary === undefined) t.plan(0, 'Cerbos is not to be had on this platform')
else {
  const cerbos = await startCerbos(t, { policies: fileURLToPath(new URL('../../example-app/cerbos', import.meta.url)) })
  process.env.CERBOS_URL = cerbos.url
  t.teardown(() => { delete process.env.CERBOS_URL })

  t.test("the quickstart's story", async t => {
    const { app, ask } = await start(t)
    t.equal((await ask(undefined, 'GET', '/')).body, '{"result":"John Smith is PERMITTED to retrieve task!"}')
    const tenant2 = await ask(undefined, 'GET', '/tenant2')
    t.equal(tenant2.statusCode, 403)
    t.equal(tenant2.body, '{"result":"John Smith is NOT PERMITTED to create task (tenant 2)!"}')
    t.same(await app.permit.health(), { ok: true, pdp: cerbos.url })
  })

  for (const [who, is, statuses] of RIGHTS) {
    t.test(`${is} may do what the policies say, in both tenants`, async t => {
      const { ask } = await start(t)
      const answers: number[] = []
      for (const [method, url, payload] of REQUESTS) answers.push((await ask(who, method, url, payload)).statusCode)
      t.same(answers, statuses)
    })
  }

  t.test('the list contains the tasks that the user may see, in every tenant, also for simultaneous requests', async t => {
    const { ask } = await start(t)
    const names = ['ada', 'victor', 'tess', 'noel']
    const lists = await Promise.all(names.map(async name => (await ask(name, 'GET', '/tasks')).json<Array<{ id: string }>>().map(task => task.id)))
    t.same(lists, [['1', '2'], ['1', '2'], ['3'], []])
  })

  t.test('a page of the list comes from the database by the plan of Cerbos', async t => {
    const { ask } = await start(t)
    const pageOf = async (who: string, url: string) => (await ask(who, 'GET', url)).json<{ tasks: Array<{ id: string }>, total: number }>()
    t.match(await pageOf('victor', '/tenants/default/tasks?page=2&size=1'), { tasks: [{ id: '2' }], total: 2 })
    t.match(await pageOf('tess', '/tenants/tenant2/tasks'), { tasks: [{ id: '3' }], total: 1 })
  })

  t.test('with only CERBOS_URL, the app starts as a process and Cerbos decides', async t => {
    const app = await startApp(t, { CERBOS_URL: cerbos.url })
    t.match(app.output, `PDP: ${cerbos.url}`)
    t.equal((await fetch(`${app.url}/`)).status, 200)
    t.equal((await fetch(`${app.url}/tenant2`)).status, 403)
    t.equal((await fetch(`${app.url}/tenants/default/tasks`)).status, 401)
    t.equal(await app.stop(), 0)
  })

  t.test('while Cerbos is down guarded routes answer 503, and the app still starts; it recovers with Cerbos', async t => {
    await cerbos.kill()
    const { ask } = await start(t)
    t.equal((await ask('ada', 'GET', '/tenants/default/tasks')).statusCode, 503)
    await cerbos.restart()
    // Failures have opened the breaker, which is closed by its next probe.
    const until = performance.now() + 20_000
    let status = 503
    while (status === 503 && performance.now() < until) {
      await setImmediate()
      status = (await ask('ada', 'GET', '/tenants/default/tasks')).statusCode
    }
    t.equal(status, 200)
    t.equal((await ask('noel', 'GET', '/tenants/default/tasks')).statusCode, 403)
  })
}
