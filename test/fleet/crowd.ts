// `npm run fleet:crowd -- redis 1000`: many real instances of the bus, in a few processes, on one real server. Prints what they cost and how
// fast they follow. `postgres` for PostgreSQL. The instances are on one machine with the server: it is the processors that limit how many.
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { availableParallelism, loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Order, Setting, State } from './crowd-worker.js'
import { postgresFor, redisFor, type BusServer } from './servers.js'

const [kind = 'redis', count = '1000'] = process.argv.slice(2)
const INSTANCES = Number(count)
const PROCESSES = Math.min(INSTANCES, 4)
const STEADY_SECONDS = 10
const WRITES = 50
/** A clock tick of Linux in /proc, ms. */
const TICK = 10

const now = (): number => performance.timeOrigin + performance.now()
const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))
const at = (list: readonly number[], share: number): number => [...list].sort((one, other) => one - other)[Math.min(list.length - 1, Math.floor(list.length * share))] ?? NaN
const figure = (value: number): string => Math.round(value).toLocaleString('en')

/** The most of the times in a tenth of a second. */
function densest (times: readonly number[]): number {
  const sorted = [...times].sort((one, other) => one - other)
  let most = 0
  for (let from = 0, to = 0; to < sorted.length; to++) {
    while ((sorted[to] as number) - (sorted[from] as number) > 100) from++
    most = Math.max(most, to - from + 1)
  }
  return most
}

/** Processor time of the server, with the processes of its connections, ms. */
function processorOf (server: BusServer, children: readonly number[]): number {
  return [server.pid() ?? 0, ...children].reduce((sum, pid) => {
    try {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ')
      return sum + (Number(fields[11]) + Number(fields[12])) * TICK
    } catch {
      return sum
    }
  }, 0)
}

function childrenOf (server: BusServer): number[] {
  const pid = server.pid()
  return String(readFileSync(`/proc/${pid}/task/${pid}/children`)).trim().split(' ').filter(text => text !== '').map(Number)
}

const endings: Array<() => unknown> = []
const ending = { teardown: (run: () => unknown) => { endings.unshift(run) } }
const workers: ChildProcess[] = []

async function asked (order: Order, of: readonly ChildProcess[] = workers): Promise<unknown[]> {
  return Promise.all(of.map(async worker => {
    worker.send(order)
    const [answer] = await once(worker, 'message') as [unknown]
    return answer
  }))
}

async function state (): Promise<State> {
  const states = await asked({ what: 'state' }) as State[]
  const sum = (of: Exclude<keyof State, 'connects' | 'known'>) => states.reduce((total, one) => total + one[of], 0)
  return {
    up: sum('up'),
    known: Math.min(...states.map(({ known }) => known)),
    proven: sum('proven'),
    sent: sum('sent'),
    received: sum('received'),
    rejected: sum('rejected'),
    forgetAll: sum('forgetAll'),
    outages: sum('outages'),
    processor: sum('processor'),
    connects: states.flatMap(({ connects }) => connects)
  }
}

/** Waits until all are on the bus and know each other, and returns how long that took since `from`, ms. */
async function together (from: number, limit = 120_000): Promise<{ up: number, known: number }> {
  let up = NaN
  for (;;) {
    const { up: ready, known } = await state()
    if (Number.isNaN(up) && ready === INSTANCES) up = now() - from
    if (ready === INSTANCES && known === INSTANCES) return { up, known: now() - from }
    if (now() - from > limit) throw new Error(`after ${limit / 1_000} s, ${ready} of ${INSTANCES} are on the bus, and one knows only ${known}`)
    await pause(200)
  }
}

async function forgotten (): Promise<number[]> {
  return (await asked({ what: 'forgotten' }) as Array<{ forgotten: number[] }>).flatMap(({ forgotten }) => forgotten)
}

/** Instances tell the others to forget: how long until the others have, ms. */
async function told (instances: number, forget: number | 'all', wait: number): Promise<number[]> {
  await forgotten()
  const order: Order = { what: 'tell', instances, forget }
  const [{ at }] = await asked(order, workers.slice(0, 1)) as [{ at: number }]
  const expected = forget === 'all' ? INSTANCES - 1 : instances * (INSTANCES - 1)
  const times: number[] = []
  const end = now() + wait
  while (times.length < expected && now() < end) {
    await pause(20)
    times.push(...(await forgotten()).map(time => time - at))
  }
  if (times.length < expected) console.log(`  only ${figure(times.length)} of ${figure(expected)} were seen to forget within ${wait} ms`)
  return times
}

async function measure (): Promise<void> {
  const server = kind === 'postgres' ? await postgresFor(ending, INSTANCES + 20) : await redisFor(ending)
  const setting: Setting = { url: server.urlAt(server.port), instances: INSTANCES / PROCESSES, degradedTtl: 60_000 }
  if (!Number.isInteger(setting.instances)) throw new Error(`the number of instances must be a multiple of ${PROCESSES}`)
  const program = fileURLToPath(new URL('./crowd-worker.ts', import.meta.url))
  for (let index = 0; index < PROCESSES; index++) workers.push(fork(program, [JSON.stringify(setting)], { execArgv: ['--import=tsx'] }))
  endings.unshift(() => { for (const worker of workers) worker.kill('SIGKILL') })
  await Promise.all(workers.map(worker => once(worker, 'message')))
  console.log(`${INSTANCES} instances in ${PROCESSES} processes on ${kind}; ${availableParallelism()} processors, load ${loadavg()[0]?.toFixed(1)}`)

  let from = now()
  await asked({ what: 'open' })
  const start = await together(from)
  const opened = await state()
  console.log(`start: all at once; ${figure(densest(opened.connects))} connect in the densest 0.1 s, all are on the bus after ${figure(start.up)} ms and know each other after ${figure(start.known)} ms; ${figure(opened.sent)} messages, ${figure(opened.rejected)} dropped`)

  // What the start left behind is over.
  await pause(5_000)
  const children = kind === 'postgres' ? childrenOf(server) : []
  const before = await state()
  const cost = processorOf(server, children)
  await pause(STEADY_SECONDS * 1_000)
  const after = await state()
  const perSecond = (key: 'sent' | 'received' | 'processor') => (after[key] - before[key]) / STEADY_SECONDS
  console.log(`steady: ${figure(perSecond('sent'))} messages/s are sent, ${figure(perSecond('received') / INSTANCES)}/s received by each; processor time per second: server ` +
    `${((processorOf(server, children) - cost) / STEADY_SECONDS).toFixed(0)} ms, an instance ${(perSecond('processor') / INSTANCES).toFixed(2)} ms; ${after.proven} of ${INSTANCES} have their lease, ${after.outages - opened.outages} outages`)

  const lasts: number[] = []
  const all: number[] = []
  for (let write = 0; write < WRITES; write++) {
    const times = await told(1, write, 5_000)
    all.push(...times)
    lasts.push(Math.max(...times))
  }
  console.log(`a write: of ${INSTANCES - 1} others, half follow within ${at(all, 0.5).toFixed(1)} ms, 99 of 100 within ${at(all, 0.99).toFixed(1)} ms; the last one after ${at(lasts, 0.5).toFixed(1)} ms in the median of ${WRITES} writes, ${Math.max(...lasts).toFixed(1)} ms at most`)

  const many = Math.min(100, setting.instances)
  const storm = await told(many, 7, 20_000)
  const stormed = await state()
  console.log(`${many} writes at once: ${figure(storm.length)} times an instance forgets, half of them within ${figure(at(storm, 0.5))} ms, the last after ${figure(Math.max(...storm))} ms; ${figure(stormed.rejected - after.rejected)} messages dropped`)

  await pause(2_000)
  const reload = await told(1, 'all', 10_000)
  console.log(`everything is forgotten: half within ${figure(at(reload, 0.5))} ms, the last after ${figure(Math.max(...reload))} ms, at most ${figure(densest(reload))} in 0.1 s`)

  const { outages } = await state()
  await server.kill()
  await pause(2_000)
  from = now()
  await server.start()
  const back = await together(from)
  const returned = await state()
  const again = returned.connects.filter(time => time > from)
  console.log(`after 2 s without the server: ${figure(again.length)} attempts to connect, ${figure(densest(again))} in the densest 0.1 s, all are back after ${figure(back.up)} ms; ${figure(returned.outages - outages)} outages seen, ${figure(returned.rejected - stormed.rejected)} messages dropped`)
  console.log(`load at the end ${loadavg()[0]?.toFixed(1)}`)
}

try {
  await measure()
} finally {
  for (const run of endings) await run()
}
