// Subscribers of the diagnostics channel see checks, and can change none.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import t from 'tap'
import { CHECK_CHANNEL } from '../../src/index.js'
import { guardedApp } from '../support/app.js'

interface Anything { result?: { allow?: unknown }, decision?: { allow?: unknown }, query?: { user: { key: string } } }

for (const cache of [false, { ttl: 60_000 }] as const) {
  t.test(`a subscriber that changes a message never allows, cache: ${JSON.stringify(cache)}`, async t => {
    const { app, pdp } = await guardedApp(t, { cache })
    let ran = 0
    app.get('/tasks', { config: { permit: 'task:list' } }, async () => { ran++; return 'secret' })
    let heard = 0
    const meddle = (message: unknown): void => {
      const seen = message as Anything
      heard++
      if (seen.query !== undefined) seen.query.user.key = 'ann'
      for (const decision of [seen.decision, seen.result]) if (decision !== undefined) decision.allow = true
    }
    const names = ['start', 'end', 'asyncStart', 'asyncEnd'].map(name => `tracing:${CHECK_CHANNEL}:${name}`)
    const ask = async () => (await app.inject({ url: '/tasks', headers: { 'x-user': 'eve' } })).statusCode
    for (const name of names) subscribe(name, meddle)
    t.equal(await ask(), 403)
    t.equal(await ask(), 403)
    for (const name of names) unsubscribe(name, meddle)
    t.equal(await ask(), 403)
    t.equal(ran, 0)
    t.ok(heard >= 6)
    t.ok(pdp.requests.length > 0)
  })
}
