// The bus over a real PostgreSQL: LISTEN and NOTIFY.
import t from 'tap'
import { postgresFor } from '../fleet/servers.js'
import { outages, propagation, soak, twoInstances } from '../fleet/two-instances.js'

const SOAK_SECONDS = Number(process.env.SOAK_SECONDS ?? 6)

// Run by itself, without the runner, it would have less.
t.setTimeout(100_000 + SOAK_SECONDS * 1_000)

const server = await postgresFor(t)

t.test('PostgreSQL by its URL: B follows what A writes, and an outage is survived', async t => {
  const instances = await twoInstances(t, () => server.urlAt(server.port))
  await propagation(t, instances, 50, 'postgres')
  await outages(t, server, instances)
})

t.test('a pool and a client of pg that the app has are used, and stay open', async t => {
  const { default: pg } = await import('pg' as string)
  const pool = new pg.Pool({ connectionString: server.urlAt(server.port) })
  const client = new pg.Client({ connectionString: server.urlAt(server.port) })
  t.teardown(() => Promise.all([pool.end(), client.end()]))
  await client.connect()
  const instances = await twoInstances(t, which => which === 0 ? pool : client)
  await propagation(t, instances, 20, 'a pool and a client of pg')
  await instances.a.close()
  await instances.b.close()
  for (const open of [pool, client]) t.match(await open.query('SELECT 1 AS one'), { rows: [{ one: 1 }] })
})

t.test('a soak: PostgreSQL is killed, paused and cut off at random, and no role works longer than the bound', { timeout: 60_000 + SOAK_SECONDS * 1_000 }, async t => {
  const { wrong, revoked, outages } = await soak(t, server, SOAK_SECONDS, 1_000)
  t.equal(wrong, 0)
  t.ok(revoked > 10 && outages > 0, 'there was something to see')
})
