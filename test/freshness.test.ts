// The whole loop with real processes: a role is taken away at the PDP, and an app that remembers for an hour refuses the next request.
import t from 'tap'
import { setTimeout as delay } from 'node:timers/promises'
import permit from '../src/index.js'
import { start } from './cli/support.js'
import { byHeader, fastifyFor } from './support/app.js'
import { folderWith } from './support/documents.js'
import { freePort } from './support/free-port.js'

const SECRET = 'a-secret-of-the-updates'
const ROUNDS = 30

/** Past this the push has not done it; a machine under load may take a part of it. The time that it took is printed. */
const BOUND = 2_000

const POLICY = JSON.stringify({
  resources: { task: { actions: { read: {} } } },
  roles: { viewer: { permissions: ['task:read'] } },
  users: { ann: {}, bob: {} },
  role_assignments: [{ user: 'bob', role: 'viewer', tenant: 'default' }]
})

t.test('a role removed at the PDP takes effect in the app at once, although the app caches for an hour', async t => {
  // The app has to be there first, because the PDP is told where it is; the PDP's port is known only then.
  const port = await freePort()
  const folder = await folderWith(t, { 'permit.json': POLICY })
  const app = fastifyFor(t)
  await app.register(permit, { pdp: `http://127.0.0.1:${port}`, token: 'a-token', user: byHeader, cache: { ttl: 3_600_000 }, updates: { path: '/permit/updates', secret: SECRET } })
  app.get('/tasks', { config: { permit: 'task:read' } }, async () => 'ok')
  const url = await app.listen({ port: 0, host: '127.0.0.1' })

  const pdp = start(t, ['pdp', '--policy', `${folder}/permit.json`, '--port', String(port), '--token', 'a-token', '--report-to', `${url}/permit/updates`], { PERMIT_UPDATES_SECRET: SECRET })
  await pdp.line(/listens on/)
  const assignments = async (method: 'POST' | 'DELETE') => {
    const { status } = await fetch(`http://127.0.0.1:${port}/facts/role_assignments`, {
      method,
      headers: { authorization: 'Bearer a-token', 'content-type': 'application/json' },
      body: JSON.stringify({ user: 'ann', role: 'viewer', tenant: 'default' })
    })
    if (status >= 300) throw new Error(`${method}: ${status}`)
  }
  const ask = async (user: string) => (await fetch(`${url}/tasks`, { headers: { 'x-user': user } })).status
  /** Ms until the app answers so. */
  const until = async (expected: number) => {
    const start = performance.now()
    while (await ask('ann') !== expected) {
      if (performance.now() - start > BOUND) throw new Error(`still not ${expected} after ${BOUND} ms`)
      await delay(1)
    }
    return performance.now() - start
  }

  const taken: number[] = []
  const given: number[] = []
  t.equal(await ask('bob'), 200)
  t.equal(await ask('ann'), 403)
  for (let round = 0; round < ROUNDS; round++) {
    await assignments('POST')
    given.push(await until(200))
    t.equal(await ask('ann'), 200)
    await assignments('DELETE')
    taken.push(await until(403))
  }
  t.equal(await ask('bob'), 200)
  const { cache, pdp: asked } = app.permit.stats()
  t.ok((cache?.invalidations ?? 0) >= ROUNDS * 2)
  t.ok((asked?.requests ?? 0) < ROUNDS * 2 * 20, 'it remembers in between')
  const shown = (times: number[]) => `median ${times.sort((a, b) => a - b)[times.length >> 1]?.toFixed(1)} ms, slowest ${times.at(-1)?.toFixed(1)} ms`
  t.comment(`from the PDP's acknowledgement to the app's answer, ${ROUNDS} times: taken away ${shown(taken)}; given ${shown(given)}`)

  const ended = pdp.ended()
  pdp.process.kill('SIGTERM')
  t.equal((await ended).code, 0)
})
