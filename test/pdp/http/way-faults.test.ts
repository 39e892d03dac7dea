// One list of faults on every way to a PDP: nobody gets in, no request takes longer than the deadline, and the way is well again afterwards.
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { wayFaults } from './way-faults.js'
import { appFor, tell, TIMEOUT, ways } from './ways.js'

// Run by itself, without the runner, it would have less. Most of a fault is waiting for the deadline, so the ways are tried side by side.
t.setTimeout(300_000)
t.jobs = 6

/** How much later than the deadline an answer may be on a busy machine, and how soon there are decisions again, ms. */
const SLACK = 3_000

for (const [name, open] of Object.entries(ways)) {
  t.test(`by ${name}: the PDP decides, no fault of it lets anybody in or takes longer than the deadline, and closing leaves nothing`, { buffered: true }, async t => {
    const { pdp, options, isEncrypted = false } = await open(t)
    const { app, ask } = await appFor(t, { ...options, breaker: false, retries: 0 })
    const settled = async (user: string): Promise<number> => {
      const end = performance.now() + SLACK
      let status = await ask(user)
      while (status === 503 && performance.now() < end) status = await ask(user)
      return status
    }
    t.equal(await settled('ann'), 200)
    t.same(await Promise.all([...Array.from({ length: 20 }, () => settled('ann')), settled('eve')]), [...Array.from({ length: 20 }, () => 200), 403])
    let health = await app.permit.health()
    for (const end = performance.now() + SLACK; !health.ok && performance.now() < end;) health = await app.permit.health()
    t.match(health, { ok: true })
    t.ok(pdp.seen.filter(({ url }) => /allowed|evaluation/.test(url)).every(({ headers }) => headers.authorization === 'Bearer the-token'))

    const isFault = { encrypted: isEncrypted, 'HTTP/2': options.http2 === true }
    const faults = wayFaults.filter(({ only }) => only === undefined || isFault[only])
    for (const { name: fault, answer = tell, connection } of faults) {
      pdp.answer = answer
      pdp.connection = connection
      if (connection !== undefined) pdp.cut()
      const begun = performance.now()
      // A fault of connections is the same for all.
      const users = connection === undefined ? ['ann', 'eve'] : ['ann']
      t.same(await Promise.all(users.map(user => ask(user))), users.map(() => 503), fault)
      t.ok(performance.now() - begun < TIMEOUT + SLACK, `${fault}: in time`)
      pdp.answer = tell
      pdp.connection = undefined
      if (connection !== undefined) pdp.cut()
      t.equal(await settled('eve'), 403, `${fault}: the PDP decides again`)
    }
    t.ok(faults.length >= 30, `${faults.length} faults`)
    pdp.cut()
    t.equal(await settled('ann'), 200, 'after its connections were cut')
    await app.close()
    if (name !== 'a dispatcher') for (const socket of pdp.sockets) while (!socket.destroyed) await delay(5)
  })
}
