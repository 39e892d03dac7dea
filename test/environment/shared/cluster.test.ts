// Workers of a cluster share a data folder and are killed under writes: nothing acknowledged is lost, and no revoked right stays.
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { Environment } from '../../../src/environment/environment.js'
import { AppWorker } from './workers.js'

const POLICY = { resources: { task: { actions: { read: {} } } }, roles: { reader: { permissions: ['task:read'] } } }

/** The promise: how long a worker may decide by facts that another one has changed, ms. */
const BOUND = 2_000

/** How long the oracle's own clock may be off, because an answer takes its way between processes on a busy machine, ms. */
const SLACK = 250

const KILLS = 6
const KILL_EVERY = 900

async function folderFor (t: Test) {
  const dir = t.testdir({ 'permit.json': JSON.stringify(POLICY) })
  return { policy: join(dir, 'permit.json'), data: join(dir, 'data') }
}

/** What is known of one user's role: only one writer changes it, one write after the other. */
interface Known {
  /** What was acknowledged last, and when; undefined while a write is on its way, or when one failed and may have been made. */
  granted: boolean | undefined
  since: number
  /** Grows with each write that begins. */
  version: number
}

t.test('four workers under writes, killed at random: the owner of the folder, and others', { timeout: 300_000 }, async t => {
  const { policy, data } = await folderFor(t)
  const workers = await Promise.all(Array.from({ length: 4 }, () => AppWorker.start(t, policy, data)))
  t.equal(workers.filter(({ role }) => role === 'owner').length, 1, 'one has the folder')
  const known = new Map<string, Known>()
  const wrong: string[] = []
  const counts = { writes: 0, failed: 0, reads: 0, unavailable: 0, ownersKilled: 0 }
  const visible: number[] = []
  const state = { isOver: false }
  const any = () => workers[Math.floor(Math.random() * workers.length)] as AppWorker

  async function write (user: string): Promise<void> {
    const fact: Known = { granted: false, since: -Infinity, version: 0 }
    known.set(user, fact)
    while (!state.isOver) {
      const grants = fact.granted !== true
      const worker = any()
      fact.granted = undefined
      const version = ++fact.version
      try {
        await worker.do(grants ? 'grant' : 'revoke', user)
        Object.assign(fact, { granted: grants, since: performance.now() })
        counts.writes++
        // Read your own writes.
        const status = await worker.read(user).catch(() => undefined)
        if (status !== undefined && status !== 503 && status !== (grants ? 200 : 403)) wrong.push(`${user} own write ${version}: ${status}`)
      } catch {
        counts.failed++
      }
      await delay(Math.random() * 400)
    }
  }

  async function read (): Promise<void> {
    while (!state.isOver) {
      const user = `u${Math.floor(Math.random() * known.size)}`
      const fact = known.get(user) as Known
      const { granted, since, version } = fact
      const asked = performance.now()
      const status = await any().read(user).catch(() => undefined)
      counts.reads++
      if (status === 503) counts.unavailable++
      if (status === undefined || status === 503 || granted === undefined || fact.version !== version) continue
      if (status === (granted ? 200 : 403)) continue
      if (asked - since > BOUND + SLACK) wrong.push(`${user} is ${status} ${Math.round(asked - since)} ms after ${granted ? 'grant' : 'revoke'}`)
    }
  }

  /** How soon a revoked right is gone at all others, while nobody is killed. */
  async function measure (): Promise<void> {
    await workers[0]?.do('sync', 'measured')
    for (let n = 0; n < 20; n++) {
      const [first, ...others] = workers as [AppWorker, ...AppWorker[]]
      await first.do('grant', 'measured')
      await first.do('revoke', 'measured')
      const start = performance.now()
      await Promise.all(others.map(async other => { while (await other.read('measured') === 200); }))
      visible.push(performance.now() - start)
    }
  }

  async function kill (): Promise<void> {
    for (let n = 0; n < KILLS; n++) {
      await delay(KILL_EVERY * (0.5 + Math.random()))
      const owner = workers.findIndex(({ role, isDead }) => role === 'owner' && !isDead)
      const index = (n === 0 || Math.random() < 0.6) && owner !== -1 ? owner : Math.floor(Math.random() * workers.length)
      const victim = workers[index] as AppWorker
      if (victim.role === 'owner') counts.ownersKilled++
      await victim.kill()
      workers[index] = await AppWorker.start(t, policy, data)
    }
    state.isOver = true
  }

  await measure()
  const users = Array.from({ length: 6 }, (_, n) => `u${n}`)
  for (const user of users) await workers[0]?.do('sync', user)
  await Promise.all([...users.map(write), ...Array.from({ length: 4 }, read), kill()])

  t.same(wrong, [], 'no right was there, or missing, for longer than promised')
  t.ok(counts.ownersKilled > 0 && counts.writes > users.length && counts.reads > counts.unavailable, JSON.stringify(counts))
  t.comment(JSON.stringify(counts), `gone at the others after ${Math.max(...visible).toFixed(1)} ms at most, without kills`)

  const settled = users.filter(user => known.get(user)?.granted !== undefined)
  const agreed = await Promise.all(users.map(async user => {
    const statuses = await Promise.all(workers.map(async worker => {
      for (;;) {
        const status = await worker.read(user)
        if (status !== 503) return status
        await delay(50)
      }
    }))
    return { user, same: new Set(statuses).size === 1, granted: statuses[0] === 200 }
  }))
  t.ok(agreed.every(({ same }) => same), 'all workers agree')
  for (const worker of workers) await worker.close()

  const environment = await Environment.open({ policy, data })
  t.teardown(() => environment.close())
  const onDisk = (user: string) => [...environment.engine.facts.roleAssignments({ user })].length === 1
  t.same(settled.map(user => [user, onDisk(user)]), settled.map(user => [user, known.get(user)?.granted]), 'nothing acknowledged is lost')
  t.same(agreed.map(({ user, granted }) => [user, granted]), users.map(user => [user, onDisk(user)]))
})

t.test('a worker whose owner is silent decides for two seconds, then gets 503, and decides again when the owner is back', { timeout: 120_000 }, async t => {
  const { policy, data } = await folderFor(t)
  const owner = await AppWorker.start(t, policy, data)
  const other = await AppWorker.start(t, policy, data)
  t.same([owner.role, other.role], ['owner', 'follower'])
  await other.do('sync', 'ann')
  await other.do('grant', 'ann')
  owner.signal('SIGSTOP')
  const stopped = performance.now()
  t.equal(await other.read('ann'), 200)
  let last = stopped
  for (;;) {
    const status = await other.read('ann')
    if (status === 503) break
    last = performance.now()
    await delay(20)
  }
  t.ok(last - stopped <= BOUND + SLACK, `decided for ${Math.round(last - stopped)} ms`)
  owner.signal('SIGCONT')
  while (await other.read('ann') === 503) await delay(20)
  t.equal(await other.read('ann'), 200)
})

t.test('a worker that was stopped itself does not answer by what it knew before', { timeout: 120_000 }, async t => {
  const { policy, data } = await folderFor(t)
  const owner = await AppWorker.start(t, policy, data)
  const other = await AppWorker.start(t, policy, data)
  await owner.do('sync', 'ann')
  await owner.do('grant', 'ann')
  while (await other.read('ann') !== 200);
  other.signal('SIGSTOP')
  await owner.do('revoke', 'ann')
  await delay(BOUND + SLACK)
  const answers = Promise.all(Array.from({ length: 20 }, () => other.read('ann')))
  other.signal('SIGCONT')
  t.notOk((await answers).includes(200))
  while (await other.read('ann') === 503) await delay(20)
  t.equal(await other.read('ann'), 403)
})
