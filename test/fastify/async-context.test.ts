// What runs after a guard runs in the async context of its own request, whatever request its batch was sent for.
import { AsyncLocalStorage } from 'node:async_hooks'
import t from 'tap'
import { guardedApp } from '../support/app.js'

for (const cache of [false, {}] as const) {
  t.test(`handlers see the store of their request, ${cache === false ? 'without' : 'with'} a cache`, async t => {
    const { app } = await guardedApp(t, { cache, timeout: 10_000 }, { decide: ({ resource }) => Number(resource.key) % 5 !== 0 })
    const store = new AsyncLocalStorage<string>()
    app.addHook('onRequest', (request, _reply, done) => { store.run(request.url, done) })
    const seen: Array<[url: string, store: string | undefined]> = []
    app.get('/tasks/:id', { config: { permit: { action: 'retrieve', resource: 'task:{id}' } } }, async request => {
      seen.push([request.url, store.getStore()])
      return 'ok'
    })
    const refused: Array<[url: string, store: string | undefined]> = []
    app.setErrorHandler((error: { statusCode?: number }, request, reply) => {
      refused.push([request.url, store.getStore()])
      return reply.code(error.statusCode ?? 500).send()
    })
    // Many at a time are batched; equal ones share a flight.
    await Promise.all(Array.from({ length: 200 }, (_, index) => app.inject({ url: `/tasks/${index % 50}`, headers: { 'x-user': 'ann' } })))
    t.equal(seen.length, 160)
    t.equal(refused.length, 40)
    for (const [url, own] of [...seen, ...refused]) if (url !== own) t.fail(`${url} ran in the context of ${own}`)
    t.ok((app.permit.stats().batches?.checks ?? 0) > 0, 'there were batches')
  })
}
