// Writes, invalidations, a PDP's reports and checks at the same time (kind: what was written is not seen): a check that begins after a write sees it or a later one.
import { setImmediate as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import permit, { type Policy } from '../../../src/index.js'
import { createLocalPdp } from '../../../src/server/index.js'
import { fastifyFor } from '../../support/app.js'

const SECRET = 'a-secret-of-the-updates'
const USERS = ['ann', 'bob', 'cem'] as const
const policy: Policy = {
  resources: { task: { actions: { read: {} } } },
  roles: { viewer: { permissions: ['task:read'] }, guest: {} },
  users: Object.fromEntries(USERS.map(user => [user, {}]))
}
const common = { cache: { ttl: 3_600_000 }, timeout: 30_000 }

async function embedded (t: Test, withData: boolean): Promise<FastifyInstance> {
  const app = fastifyFor(t)
  await app.register(permit, { policy, ...common, ...(withData ? { data: t.testdir() } : {}) })
  return app
}

async function remote (t: Test): Promise<FastifyInstance> {
  const pdp = createLocalPdp({ policy, token: 'token' })
  t.teardown(() => pdp.close())
  const app = fastifyFor(t)
  await app.register(permit, { pdp: await pdp.listen({ port: 0 }), token: 'token', updates: { path: '/updates', secret: SECRET }, ...common })
  return app
}

/** What one user's writer has done: it assigns a role, takes it away, and so on. An odd number of writes: the user has it. */
interface Progress {
  begun: number
  acknowledged: number
}

type Step = readonly ['write' | 'check' | 'bulk' | 'plan' | 'search' | 'invalidate' | 'report' | 'turn', who: number]

/** Runs the steps of a lane one after the other; lanes run at the same time. */
async function run (app: FastifyInstance, lanes: ReadonlyArray<readonly Step[]>): Promise<void> {
  const progress = new Map<string, Progress>(USERS.map(user => [user, { begun: 0, acknowledged: 0 }]))
  const { api } = app.permit
  const writing = new Map<string, Promise<unknown>>()
  const states = (from: number, to: number) => new Set(Array.from({ length: to - from + 1 }, (_, n) => (from + n) % 2 === 1))
  const expect = async (user: string, ask: () => Promise<boolean>): Promise<void> => {
    const known = progress.get(user) as Progress
    const from = known.acknowledged
    const answer = await ask()
    if (!states(from, known.begun).has(answer)) throw new Error(`${user}: ${answer}, after write ${from} was acknowledged and before any beyond ${known.begun} began`)
  }
  const steps: Record<Step[0], (user: string) => Promise<void>> = {
    async write (user) {
      // A user's writes are in order; those of different users are not.
      const before = writing.get(user)
      const known = progress.get(user) as Progress
      const write = (async () => {
        await before
        known.begun++
        const isOn = known.begun % 2 === 1
        await app.permit.write(isOn ? api.assignRole(user, 'viewer', 'default') : api.unassignRole(user, 'viewer', 'default'), api.syncUser({ key: user, attributes: { n: known.begun } }))
        known.acknowledged++
      })()
      writing.set(user, write)
      await write
    },
    check: user => expect(user, () => app.permit.check(user, 'read', 'task')),
    bulk: user => expect(user, async () => (await app.permit.bulkCheck(user, [{ action: 'read', resource: 'task' }]))[0] === true),
    plan: user => expect(user, async () => (await app.permit.plan(user, 'read', 'task')).kind === 'all'),
    search: user => expect(user, async () => (await app.permit.searchActions(user, 'task').toArray()).includes('read')),
    async invalidate (user) { app.permit.invalidate(user === 'cem' ? undefined : user) },
    async report (user) {
      // The embedded PDP needs none.
      if (!app.hasRoute({ method: 'POST', url: '/updates' })) return
      const payload = { update_id: 'u', reports: [{ entry: { dst_path: user === 'cem' ? '/' : `/users/${user}` } }], user_data: {} }
      const { statusCode } = await app.inject({ method: 'POST', url: '/updates', headers: { 'x-permit-updates-secret': SECRET }, payload })
      if (statusCode !== 204) throw new Error(`the report was answered with ${statusCode}`)
    },
    turn: () => nextTurn()
  }
  await Promise.all(lanes.map(async lane => { for (const [name, who] of lane) await steps[name](USERS[who % USERS.length] as string) }))
  for (const user of USERS) {
    await writing.get(user)
    await expect(user, () => app.permit.check(user, 'read', 'task'))
    await steps.plan(user)
  }
  // The next run begins as this one did.
  for (const user of USERS) if ((progress.get(user) as Progress).begun % 2 === 1) await api.unassignRole(user, 'viewer', 'default')
}

const step: fc.Arbitrary<Step> = fc.tuple(fc.constantFrom('write', 'write', 'check', 'check', 'check', 'bulk', 'plan', 'plan', 'search', 'invalidate', 'report', 'turn'), fc.nat(2))
const lanes = fc.array(fc.array(step, { minLength: 1, maxLength: 12 }), { minLength: 2, maxLength: 6 })

for (const [name, appOf, numRuns] of [
  ['embedded, in memory', (t: Test) => embedded(t, false), 60],
  ['embedded, in a folder', (t: Test) => embedded(t, true), 30],
  ['a PDP over HTTP', remote, 30]
] as const) {
  t.test(`${name}: no check, plan or search is older than the last write that was acknowledged when it started`, async t => {
    const app = await appOf(t)
    let runs = 0
    await fc.assert(fc.asyncProperty(lanes, async lanes => {
      runs++
      await run(app, lanes)
    }), { numRuns, endOnFailure: true })
    t.equal(runs, numRuns)
  })
}
