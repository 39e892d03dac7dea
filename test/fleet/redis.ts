// The bus over a real Redis or Valkey, by `ioredis` and by `redis`: run by `npm run test:fleet`, because Redis does not come with npm.
import t from 'tap'
import { redisFor } from './servers.js'
import { outages, promptness, propagation, soak, twoInstances } from './two-instances.js'

const SOAK_SECONDS = Number(process.env.SOAK_SECONDS ?? 60)

t.setTimeout(600_000 + SOAK_SECONDS * 1_000)

t.test('Redis by its URL: B follows what A writes, and an outage is survived', async t => {
  const server = await redisFor(t)
  const instances = await twoInstances(t, () => server.urlAt(server.port))
  await propagation(t, instances, 300, 'redis')
  await promptness(t, instances, 'redis')
  await outages(t, server, instances)
})

t.test('a client of ioredis that the app has is used, and stays open', async t => {
  const server = await redisFor(t)
  const { Redis } = await import('ioredis' as string)
  const client = new Redis(server.urlAt(server.port))
  t.teardown(() => client.disconnect())
  const instances = await twoInstances(t, () => client)
  await propagation(t, instances, 20, 'a client of ioredis')
  await instances.a.close()
  await instances.b.close()
  t.equal(await client.ping(), 'PONG')
})

t.test('a client of redis that the app has is used, and stays open; an outage is survived', async t => {
  const server = await redisFor(t)
  const { createClient } = await import('redis' as string)
  const client = createClient({ url: server.urlAt(server.port) })
  client.on('error', () => {})
  await client.connect()
  t.teardown(() => client.destroy())
  const instances = await twoInstances(t, () => client)
  await propagation(t, instances, 100, 'a client of redis')
  await outages(t, server, instances)
  await instances.a.close()
  await instances.b.close()
  t.equal(await client.ping(), 'PONG')
})

t.test('a soak: Redis is killed, paused and cut off at random, and no role works longer than the bound', { timeout: 240_000 + SOAK_SECONDS * 1_000 }, async t => {
  const server = await redisFor(t)
  const { wrong, revoked, outages, longest } = await soak(t, server, SOAK_SECONDS, 1_000)
  t.equal(wrong, 0)
  t.ok(revoked > 50 && outages > 2, 'there was something to see')
  t.ok(longest > 50, 'and messages were missed')
})
