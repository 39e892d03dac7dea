// `npm run fleet:propagation -- redis 1000`: how long after a write has resolved at A the cache of B still has the old decision. `postgres` and
// `cluster` for the other buses. A, B, the server of the bus and a PDP are processes of their own on one machine, and A and B are asked all the time.
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism, loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Order, Setting } from './propagation-worker.js'
import { postgresFor, redisFor } from './servers.js'
import { revocablePdp } from './two-instances.js'

const [kind = 'redis', count = '1000', perSecond = '200'] = process.argv.slice(2)
const WRITES = Number(count)
const REQUESTS = Number(perSecond)

const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

async function asked (worker: ChildProcess, order: Order): Promise<unknown> {
  worker.send(order)
  const [answer] = await once(worker, 'message') as [unknown]
  return answer
}

const endings: Array<() => unknown> = []
const ending = { teardown: (run: () => unknown) => { endings.unshift(run) } }

async function measure (): Promise<void> {
  const { pdp, allowed } = await revocablePdp(ending, user => user.startsWith('load-'))
  const server = kind === 'cluster' ? undefined : kind === 'postgres' ? await postgresFor(ending) : await redisFor(ending)
  const setting: Setting = { pdp: pdp.url, token: pdp.token, bus: server?.urlAt(server.port) ?? 'cluster', requests: REQUESTS }
  const program = fileURLToPath(new URL('./propagation-worker.ts', import.meta.url))
  const start = (): ChildProcess => {
    const worker = fork(program, [JSON.stringify(setting)], { execArgv: ['--import=tsx'] })
    endings.unshift(() => worker.kill('SIGKILL'))
    return worker
  }
  const [a, b] = [start(), start()]
  await Promise.all([once(a, 'message'), once(b, 'message')])
  while (await asked(a, { what: 'instances' }) !== 2 || await asked(b, { what: 'instances' }) !== 2) await pause(50)
  const before = loadavg()[0]
  const from = performance.now()
  const checks = Number(await asked(a, { what: 'checks' })) + Number(await asked(b, { what: 'checks' }))
  const times: number[] = []
  /** How long a message to a process and its answer take, with nothing to do: what the machine takes for itself. */
  const floors: number[] = []
  for (let index = 0; index < WRITES; index++) {
    const user = `user-${index}`
    allowed.add(user)
    if (await asked(b, { what: 'allowed', user }) !== true) throw new Error(`${user} is allowed`)
    const followed = asked(b, { what: 'follow', user }) as Promise<number>
    const resolved = await asked(a, { what: 'revoke', user }) as number
    times.push(Math.max(0, await followed - resolved))
    const asking = performance.now()
    await asked(b, { what: 'checks' })
    floors.push(performance.now() - asking)
    await pause(Math.random() * 20)
  }
  const seconds = (performance.now() - from) / 1_000
  const load = (Number(await asked(a, { what: 'checks' })) + Number(await asked(b, { what: 'checks' })) - checks) / seconds
  for (const list of [times, floors]) list.sort((one, other) => one - other)
  const at = (share: number, list = times): string => (list[Math.min(WRITES - 1, Math.floor(WRITES * share))] as number).toFixed(1)
  const late = times.filter(time => time > 50).length
  console.log(`${kind}: ${WRITES} writes in ${seconds.toFixed(0)} s; B follows after ${at(0.5)} ms in the median, 90 of 100 within ${at(0.9)} ms, 99 within ${at(0.99)} ms, all within ${at(1)} ms; ` +
    `${late} after more than 50 ms (${(100 * late / WRITES).toFixed(1)} %); a message to a process and its answer take ${at(0.5, floors)} ms, 99 of 100 ${at(0.99, floors)} ms; ${load.toFixed(0)} checks/s at both; ${availableParallelism()} processors, load ${before?.toFixed(1)} to ${loadavg()[0]?.toFixed(1)}`)
  if (late > WRITES / 100) process.exitCode = 1
}

try {
  await measure()
} finally {
  for (const run of endings) await run()
}
