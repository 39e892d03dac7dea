// A PDP that answers checks, and no plans and searches: said once in the log, and counted; an error that is none of the PDP's is no outage.
import t from 'tap'
import permit, { type Policy } from '../../src/index.js'
import { createLocalPdp } from '../../src/server/index.js'
import { byHeader, fastifyFor, logSink } from '../support/app.js'

const policy: Policy = {
  resources: { task: { actions: { read: {} }, roles: { viewer: { permissions: ['read'] } } } },
  users: { ann: {} },
  resource_instances: ['7', '8'].map(key => ({ resource: 'task', key, tenant: 'default' })),
  role_assignments: ['7', '8'].map(key => ({ user: 'ann', role: 'viewer', resource_instance: `task:${key}` }))
}

t.test('plans and searches that fail are one line each way, and are counted', async t => {
  const pdp = createLocalPdp({ policy, token: 'secret' })
  const state = { isDown: false }
  pdp.addHook('onRequest', async (request, reply) => state.isDown && !request.url.startsWith('/allowed') ? reply.code(500).send({ detail: 'out of order' }) : undefined)
  const url = await pdp.listen({ port: 0 })
  t.teardown(() => pdp.close())
  const log = logSink('info')
  const app = fastifyFor(t, { logger: log.logger })
  await app.register(permit, { pdp: url, token: 'secret', user: byHeader, cache: false, readiness: false, retries: 0 })
  await app.ready()
  const said = () => log.lines.filter(({ msg }) => /plan/.test(String(msg))).map(({ level, msg, permit }) => ({ level, msg, permit }))
  const search = () => app.permit.searchResources('ann', 'read', 'task').toArray()

  t.match(await app.permit.plan('ann', 'read', 'task'), { kind: 'some' })
  t.same((await search()).map(({ key }) => key).sort(), ['7', '8'])
  t.equal(await app.permit.searchResources('ann', 'read', 'task', { limit: 1 }).toArray().then(found => found.length), 1)
  const ended = new AbortController()
  ended.abort(new Error('enough'))
  await t.rejects(app.permit.searchResources('ann', 'read', 'task', { signal: ended.signal }).toArray(), { message: 'enough' })
  t.same(said(), [])
  t.match(app.permit.stats(), { plans: { asked: 1, failed: 0 }, searches: { asked: 3, found: 3, failed: 0 } })

  state.isDown = true
  for (let count = 0; count < 3; count++) await t.rejects(app.permit.plan('ann', 'read', 'task'), { code: 'FST_PERMIT_UNAVAILABLE' })
  for (let count = 0; count < 2; count++) await t.rejects(search(), { code: 'FST_PERMIT_UNAVAILABLE' })
  t.equal(await app.permit.check('ann', 'read', 'task:7'), true, 'checks are answered')
  t.match(said(), [{
    level: 40,
    msg: 'permit: no plan and no search result from the PDP: plans that are not cached and searches get 503 (logged once for each kind of failure)',
    permit: { failure: 'status', action: 'read', type: 'task' }
  }])
  t.match(app.permit.stats(), { plans: { asked: 4, failed: 3 }, searches: { asked: 5, found: 3, failed: 2 } })
  t.notOk(log.text().includes('no decision from the PDP'))

  state.isDown = false
  // An outage ends with the first answer a second after the last failure.
  while (said().length === 1) {
    await search()
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  t.match(said()[1], { level: 30, msg: 'permit: the PDP answers plans and searches again', permit: { failed: 5 } })
})

t.test('an error of the caller is counted, and is no outage', async t => {
  const log = logSink('info')
  const app = fastifyFor(t, { logger: log.logger })
  await app.register(permit, { policy, user: byHeader })
  await app.ready()
  t.equal(app.permit.stats().searches, undefined, 'absent before the first one')
  t.same((await app.permit.searchActions('ann', 'task:7').toArray()), ['read'])
  t.match(app.permit.stats().searches, { asked: 1, found: 1, failed: 0 })
  t.notOk(log.text().includes('search result'))
})
