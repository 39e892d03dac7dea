// The embedded PDP in an app: facts that survive in a folder, and a policy file that changes under cached decisions.
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import permit, { type Policy } from '../../../src/index.js'
import { fastifyFor, logSink } from '../../support/app.js'

const policy: Policy = { resources: { task: { actions: { create: {}, retrieve: {} } } }, roles: { admin: { permissions: ['task:create'] } } }

t.test('what an app wrote is still there after a restart', async t => {
  const data = join(t.testdir(), 'data')
  const first = fastifyFor(t)
  await first.register(permit, { policy, data })
  const { api } = first.permit
  await first.permit.write(api.createTenant({ key: 'acme' }), api.syncUser({ key: 'ann', roles: [{ role: 'admin', tenant: 'acme' }] }))
  await first.close()

  const second = fastifyFor(t)
  await second.register(permit, { policy, data })
  t.equal(await second.permit.check('ann', 'create', { type: 'task', tenant: 'acme' }), true)
  t.same(await second.permit.api.createTenant({ key: 'acme' }), { status: 'unchanged' })
})

t.test('a write is not lost when the app closes right after it', async t => {
  const data = join(t.testdir(), 'data')
  const first = fastifyFor(t)
  await first.register(permit, { policy, data })
  const written = first.permit.write(first.permit.api.syncUser({ key: 'ann', roles: [{ role: 'admin' }] }))
  await Promise.all([first.close(), written])
  const second = fastifyFor(t)
  await second.register(permit, { policy, data })
  t.equal(await second.permit.check('ann', 'create', 'task'), true)
})

t.test('two apps with one folder share its facts: what each writes, both decide by', async t => {
  const data = join(t.testdir(), 'data')
  const first = fastifyFor(t)
  await first.register(permit, { policy, data })
  const second = fastifyFor(t)
  await second.register(permit, { policy, data })
  for (const [user, writer] of [['ann', first], ['bob', second]] as const) {
    await writer.permit.write(writer.permit.api.syncUser({ key: user, roles: [{ role: 'admin' }] }))
    t.equal(await writer.permit.check(user, 'create', 'task'), true, 'the writer at once')
    for (const app of [first, second]) {
      while (!await app.permit.check(user, 'create', 'task')) await setImmediate()
    }
  }
  t.equal(await first.permit.check('eve', 'create', 'task'), false)
})

t.test('the option data is refused without the embedded PDP', async t => {
  const app = fastifyFor(t)
  app.register(permit, { pdp: 'http://localhost:7766', token: 'x', data: './data' })
  await t.rejects(async () => app.ready(), { code: 'FST_PERMIT_OPTIONS', message: /"data".*"policy"/ })
})

t.test('a changed policy file takes effect at once, also for cached decisions', async t => {
  const dir = t.testdir({ 'permit.json': JSON.stringify({ ...policy, users: { ann: {} }, role_assignments: [{ user: 'ann', role: 'admin' }] }) })
  const file = join(dir, 'permit.json')
  const alive = setInterval(() => {}, 60_000)
  t.teardown(() => clearInterval(alive))
  const { logger, lines } = logSink('info')
  let changed = () => {}
  const app = fastifyFor(t, {
    logger: {
      ...logger,
      stream: {
        write (line: string) {
          logger.stream.write(line)
          changed()
        }
      }
    }
  })
  await app.register(permit, { policy: file, cache: { ttl: 60_000 } })
  t.equal(await app.permit.check('ann', 'create', 'task'), true)
  t.match(await app.permit.explain('ann', 'create', 'task'), { allow: true, source: 'cache' })

  const reloaded = new Promise<void>(resolve => { changed = resolve })
  await writeFile(join(dir, 'swap'), JSON.stringify({ ...policy, users: { ann: {} } }))
  await rename(join(dir, 'swap'), file)
  await reloaded
  t.equal(await app.permit.check('ann', 'create', 'task'), false)
  t.match(lines.at(-1), { level: 30, file, msg: /is in use/ })
})

t.test('a write drops the affected decisions once; a write that changes nothing drops none', async t => {
  const app = fastifyFor(t)
  await app.register(permit, { policy, cache: { ttl: 60_000 } })
  const { api } = app.permit
  const invalidations = () => app.permit.stats().cache?.invalidations
  await app.permit.write(api.syncUser({ key: 'ann' }))
  t.equal(await app.permit.check('ann', 'create', 'task'), false)
  const before = invalidations() as number
  await app.permit.write(api.assignRole('ann', 'admin'))
  t.equal(invalidations(), before + 1)
  t.equal(await app.permit.check('ann', 'create', 'task'), true, 'the cached denial was dropped')
  await app.permit.write(api.assignRole('ann', 'admin'))
  t.equal(invalidations(), before + 1)
  await app.permit.write(api.unassignRole('ann', 'admin'))
  t.equal(await app.permit.check('ann', 'create', 'task'), false, 'the cached decision was dropped')
})
