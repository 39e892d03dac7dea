// The example in Express as a process: started, asked over HTTP, pointed at a PDP, stopped.
import t from 'tap'
import { startFakePdp } from '../support/fake-pdp.js'
import { curl } from './curl.js'
import { EXPRESS, startApp } from './start.js'

t.test('the printed requests work as printed; SIGTERM exits with 0', async t => {
  const app = await startApp(t, {}, EXPRESS)
  const lines = app.output.split('\n').map(line => line.trim())
  let replayed = 0
  for (const [index, line] of lines.entries()) {
    if (!line.startsWith('curl ')) continue
    const { status } = await curl(line)
    t.match(lines[index + 1], new RegExp(`^${status}: `), line)
    replayed++
  }
  t.equal(replayed, 7)
  t.same(await (await fetch(`${app.url}/`)).json(), { result: 'John Smith is PERMITTED to retrieve task!' })
  t.same(await (await fetch(`${app.url}/tenant2`)).json(), { result: 'John Smith is NOT PERMITTED to create task (tenant 2)!' })
  t.equal(await app.stop('SIGTERM'), 0)
})

t.test('users see and do what their roles allow, in their tenant', async t => {
  const app = await startApp(t, {}, EXPRESS)
  const ask = async (name: string | undefined, path: string, method = 'GET') => {
    const headers: Record<string, string> = name === undefined ? {} : { authorization: `Basic ${btoa(`${name}@example.com:${name}`)}` }
    const answer = await fetch(app.url + path, { method, headers })
    return { status: answer.status, body: await answer.text() }
  }
  t.match(await ask(undefined, '/tasks'), { status: 401, body: /FST_PERMIT_UNAUTHENTICATED/ })
  t.same(JSON.parse((await ask('tess', '/tasks')).body).map(({ id }: { id: string }) => id), ['3'])
  const pageOf = async (name: string, path: string) => {
    const { tasks, total } = JSON.parse((await ask(name, path)).body)
    return [tasks.map(({ id }: { id: string }) => id), total]
  }
  t.same(await pageOf('victor', '/tenants/default/tasks'), [['1', '2'], 2])
  t.same(await pageOf('victor', '/tenants/default/tasks?size=1'), [['1'], 2])
  t.same(await pageOf('victor', '/tenants/default/tasks?size=1&page=2'), [['2'], 2])
  t.same(await pageOf('tess', '/tenants/tenant2/tasks'), [['3'], 1], "another tenant's tasks are in nobody's list")
  t.match(await ask('victor', '/tenants/default/tasks?page=0'), { status: 400, body: /page must be a whole number from 1/ })
  t.match(await ask('victor', '/tenants/default/tasks?size=x'), { status: 400, body: /size must be a whole number/ })
  t.match(await ask('victor', '/tenants/default/tasks/1', 'DELETE'), { status: 403, body: '{"code":"FST_PERMIT_FORBIDDEN","message":"You are not allowed to do this."}' })
  t.equal((await ask('ada', '/tenants/default/tasks/3')).status, 404, "another tenant's task is not there under one's own tenant")
  t.equal((await ask('ada', '/tenants/default/tasks/1', 'DELETE')).status, 204)
  t.equal((await ask('ada', '/tenants/tenant2/tasks/3', 'DELETE')).status, 403)
  t.equal((await ask('noel', '/tenants/default/tasks')).status, 403)
  t.equal(await app.stop('SIGINT'), 0)
})

t.test('with PERMIT_PDP_URL that PDP decides; while it is down guarded routes answer 503', async t => {
  const pdp = await startFakePdp({ token: 'the-key', decide: question => question.action === 'create' })
  t.teardown(() => pdp.close())
  const app = await startApp(t, { PERMIT_PDP_URL: pdp.url, PERMIT_API_KEY: 'the-key' }, EXPRESS)
  t.match(app.output, `PDP: ${pdp.url}`)
  t.equal((await fetch(`${app.url}/`)).status, 403)
  t.equal((await fetch(`${app.url}/tenant2`)).status, 200)
  await pdp.close()
  const headers = { authorization: `Basic ${btoa('ada@example.com:ada')}` }
  const answer = await fetch(`${app.url}/tenants/default/tasks`, { headers })
  t.equal(answer.status, 503)
  t.equal(answer.headers.get('retry-after'), '1')
  t.equal(await app.stop(), 0)
})
