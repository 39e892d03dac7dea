// What is cached is not used any longer when time has changed it, also before a timer could tell: the event loop was blocked meanwhile.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify, { type FastifyInstance } from 'fastify'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import permit, { type PermitOptions } from '../../src/index.js'
import type { Policy } from '../../src/engine/policy/policy.js'

const policy: Policy = {
  resources: { task: { actions: { read: {} } } },
  roles: { viewer: { permissions: ['task:read'] } },
  users: { ann: {} }
}

async function appOn (t: Test, options: Partial<PermitOptions>): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(permit, { policy, cache: { ttl: 600_000 }, ...options })
  await app.ready()
  return app
}

/** Blocks the event loop until then, a time of `Date.now()`. */
function blockUntil (time: number): void {
  while (Date.now() < time);
}

t.test('a role that ends while the event loop is blocked is in no cached decision and no cached plan', async t => {
  const { permit } = await appOn(t, {})
  await fc.assert(fc.asyncProperty(fc.integer({ min: 20, max: 60 }), fc.integer({ min: -20, max: 40 }), async (lifetime, after) => {
    const end = Date.now() + lifetime
    await permit.api.assignRole({ user: 'ann', role: 'viewer', tenant: 'default', expiresAt: new Date(end).toISOString() })
    assert.equal(await permit.check('ann', 'read', 'task') || Date.now() >= end, true)
    assert.equal((await permit.plan('ann', 'read', 'task')).kind === 'all' || Date.now() >= end, true)
    blockUntil(end + after)
    const before = Date.now()
    const mayRead = await permit.check('ann', 'read', 'task')
    const { kind } = await permit.plan('ann', 'read', 'task')
    if (before >= end) assert.deepEqual([mayRead, kind], [false, 'none'])
    if (Date.now() < end) assert.deepEqual([mayRead, kind], [true, 'all'])
  }), { numRuns: 12, examples: [[20, 10], [40, -20]] })
  t.pass()
})

t.test('a follower of a data folder whose event loop was blocked uses no cached decision before it has heard from the owner again', async t => {
  const data = await mkdtemp(join(tmpdir(), 'fastify-permit-blocked-'))
  t.teardown(() => rm(data, { recursive: true, force: true }))
  const owner = await appOn(t, { data })
  await owner.permit.api.assignRole({ user: 'ann', role: 'viewer', tenant: 'default' })
  const follower = await appOn(t, { data, cache: { ttl: 600_000, staleIfError: 3_600_000 } })
  t.equal(await follower.permit.check('ann', 'read', 'task'), true)
  const plan = await follower.permit.plan('ann', 'read', 'task')
  t.equal(plan.kind, 'all')
  blockUntil(Date.now() + 2_100)
  // Asked before anything that has arrived meanwhile is read.
  const asked = [follower.permit.check('ann', 'read', 'task'), follower.permit.plan('ann', 'read', 'task')]
  for (const outcome of await Promise.allSettled(asked)) t.match(outcome, { status: 'rejected', reason: { code: 'FST_PERMIT_UNAVAILABLE' } })
})
