// The example app as a process: started, asked over HTTP, pointed at a PDP, stopped.
import t from 'tap'
import { startFakePdp } from '../support/fake-pdp.js'
import { assignment, curl } from './curl.js'
import { startApp } from './start.js'

t.test('the quickstart works over HTTP, and SIGTERM exits with 0', async t => {
  const app = await startApp(t)
  const john = await fetch(`${app.url}/`)
  t.equal(john.status, 200)
  t.same(await john.json(), { result: 'John Smith is PERMITTED to retrieve task!' })
  const tenant2 = await fetch(`${app.url}/tenant2`)
  t.equal(tenant2.status, 403)
  t.same(await tenant2.json(), { result: 'John Smith is NOT PERMITTED to create task (tenant 2)!' })
  t.equal((await fetch(`${app.url}/tenants/default/tasks`)).status, 401)
  t.equal(await app.stop('SIGTERM'), 0)
})

t.test('SIGINT exits with 0, too', async t => {
  const app = await startApp(t)
  t.equal(await app.stop('SIGINT'), 0)
})

t.test('the printed requests work as printed', async t => {
  const app = await startApp(t)
  const variables = new Map<string, string>()
  const lines = app.output.split('\n').map(line => line.trim())
  let replayed = 0
  for (const [index, line] of lines.entries()) {
    const set = await assignment(line)
    if (set !== undefined) variables.set(set.name, set.value)
    if (!line.startsWith('curl ')) continue
    const { status } = await curl(line, variables)
    t.match(lines[index + 1], new RegExp(`^${status}: `), line)
    replayed++
  }
  t.equal(replayed, 6)
})

t.test('with PERMIT_PDP_URL and PERMIT_API_KEY that PDP decides, with the same code', async t => {
  const pdp = await startFakePdp({ token: 'the-key', decide: question => question.action === 'create' })
  t.teardown(() => pdp.close())
  const app = await startApp(t, { PERMIT_PDP_URL: pdp.url, PERMIT_API_KEY: 'the-key' })
  t.match(app.output, `PDP: ${pdp.url}`)
  // The other way round than permit.yaml has it: this PDP knows no better.
  t.equal((await fetch(`${app.url}/`)).status, 403)
  t.equal((await fetch(`${app.url}/tenant2`)).status, 200)
  t.match(pdp.questions, [
    { user: { key: 'john@smith.com' }, action: 'retrieve', resource: { type: 'task', tenant: 'default' } },
    { user: { key: 'john@smith.com' }, action: 'create', resource: { type: 'task', tenant: 'tenant2' } }
  ])
  await pdp.close()
  t.equal((await fetch(`${app.url}/tenants/default/tasks`)).status, 401, 'nobody is 401 without a PDP')
  t.equal(await app.stop(), 0)
})

t.test('while its PDP is down, guarded routes answer 503', async t => {
  const pdp = await startFakePdp()
  await pdp.close()
  const app = await startApp(t, { PERMIT_PDP_URL: pdp.url, PERMIT_API_KEY: 'the-key' })
  t.match(app.output, 'not available')
  t.equal((await fetch(`${app.url}/`)).status, 503)
  t.equal(await app.stop(), 0)
})

t.test('a PDP without a key is reported at start', async t => {
  await t.rejects(startApp(t, { PERMIT_PDP_URL: 'http://127.0.0.1:1' }), /PERMIT_API_KEY/)
})
