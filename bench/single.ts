// One check at a time, without a cache: what the plugin adds to a request that undici makes by itself.
import Fastify from 'fastify'
import permit from 'fastify-permit'
import { Pool } from 'undici'
import { median } from './http.js'
import { start, stop } from './processes.js'

export interface SingleResult { undici: number, check: number, ratio: number, burst: number }

/** Microseconds for a bare undici request and for a check, in turns; and the requests that 1,000 checks of one tick become. */
export async function measureSingle (rounds: number, calls: number): Promise<SingleResult> {
  const { child, hello: { port } } = await start<{ port: number }>('./pdp.js')
  const url = `http://127.0.0.1:${port}`
  const pool = new Pool(url, { connections: 1 })
  const app = Fastify()
  await app.register(permit, { pdp: url, token: 'bench', cache: false })
  const headers = { authorization: 'Bearer bench', accept: 'application/json', 'content-type': 'application/json' }

  const bare = async () => {
    const body = JSON.stringify({ user: { key: 'ann' }, action: 'read', resource: { type: 'task', tenant: 'default' }, context: {} })
    const answer = await pool.request({ method: 'POST', path: '/allowed', headers, body })
    if ((await answer.body.json() as { allow: boolean }).allow !== true) throw new Error('no')
  }
  const check = async () => {
    if (!await app.permit.check('ann', 'read', 'task')) throw new Error('no')
  }
  const time = async (call: () => Promise<void>) => {
    const start = performance.now()
    for (let index = 0; index < calls; index++) await call()
    return (performance.now() - start) / calls * 1000
  }

  const rows: [number, number][] = []
  for (let round = -1; round < rounds; round++) {
    // Whoever is first in a round is not always the same.
    const swapped = round % 2 === 0
    const first = await time(swapped ? check : bare)
    const second = await time(swapped ? bare : check)
    if (round >= 0) rows.push(swapped ? [second, first] : [first, second])
  }

  const before = Number(await (await pool.request({ method: 'GET', path: '/requests' })).body.text())
  await Promise.all(Array.from({ length: 1_000 }, (_, index) => app.permit.check('ann', 'read', { type: 'task', key: String(index) })))
  const after = Number(await (await pool.request({ method: 'GET', path: '/requests' })).body.text())

  await app.close()
  await pool.close()
  stop(child)
  return {
    undici: median(rows.map(([undici]) => undici)),
    check: median(rows.map(([, own]) => own)),
    ratio: median(rows.map(([undici, own]) => own / undici)),
    burst: after - before
  }
}
