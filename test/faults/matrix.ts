// Puts an app before a PDP with a fault, asks one at a time and many at once, singly and in bulk, and measures what comes of it.
import Fastify, { type FastifyInstance } from 'fastify'
import permit from '../../src/index.js'
import { byHeader } from '../support/app.js'
import { HostilePdp, truth, type Fault } from './hostile-pdp.js'
import type { Wire } from './wire.js'

/** The deadline of a check, ms. */
export const TIMEOUT = 300

const LOAD = 100

/** Requests at once before a fault, for connections, and after it. */
const WARM = 10
const AFTERWARDS = 10

interface Mode {
  readonly name: string
  readonly requests: number
  /** Checks in one request to the PDP at most. */
  readonly batch: number
}

/** In bulk one at a time: three go together. */
export const MODES: readonly Mode[] = [
  { name: 'one', requests: 1, batch: 1 },
  { name: `${LOAD} at once`, requests: LOAD, batch: 1 },
  { name: 'one bulk', requests: 3, batch: 50 },
  { name: `${LOAD} at once in bulk`, requests: LOAD, batch: 50 }
]

/** What one fault did in one mode. Where it says "must be 0", the promise is that it is. */
export interface Outcome {
  readonly mode: string
  /** Requests during the fault, and those of them that were answered by 503. */
  readonly requests: number
  readonly unavailable: number
  /** Bulk requests that the PDP has seen during the fault. */
  readonly bulks: number
  /** Handlers that ran although the true decision is no, or although there was none; must be 0. */
  readonly wrongAllows: number
  /** 403 where there was no decision, or the true one is yes; must be 0. */
  readonly wrongDenies: number
  /** Answers that are none of the documented ones: another status, code or no Retry-After; must be 0. */
  readonly undocumented: number
  /** Decisions of during the fault that were remembered; must be 0. */
  readonly remembered: number
  /** Decisions after the fault that were not the true ones; must be 0. */
  readonly wrongAfterwards: number
  /** Requests after the fault for which there was no decision in time; 0 where the machine is not overloaded. */
  readonly undecidedAfterwards: number
  /** Ms of the slowest request, and of them those in which this process was given time of a processor: others may keep it from that. */
  readonly slowest: number
  readonly slowestAwake: number
  /** The same from the end of the fault to the first decision. */
  readonly recovery: number
  readonly recoveryAwake: number
}

/** What is told of a fault. */
export interface Row extends Pick<Fault, 'name' | 'outcome' | 'heavy' | 'taken'> {
  readonly outcomes: readonly Outcome[]
  /** Whether requests reach the PDP. */
  readonly asked: boolean
  /** Bytes of memory at most beyond those at the beginning; of heavy faults alone. */
  readonly memory: number
  /** Bytes that the PDP could get rid of on one connection at most. */
  readonly written: number
}

/** Ms within which an app without a decision must have one again. */
const MAX_RECOVERY = 5_000

export async function rowOf (wire: Wire, fault: Fault): Promise<Row> {
  const outcomes: Outcome[] = []
  const memory = watchMemory(fault.heavy === true)
  let written = 0
  for (const mode of MODES) {
    const pdp = new HostilePdp(wire, fault)
    await pdp.listen()
    const app = new App(pdp, mode)
    try {
      outcomes.push(await outcomeOf(app, pdp, mode))
    } finally {
      await app.fastify.close()
      await pdp.close()
    }
    written = Math.max(written, pdp.mostWritten)
  }
  const { name, outcome, heavy, taken, respond } = fault
  return { name, outcome, heavy, taken, outcomes, asked: respond !== undefined, memory: memory.stop(), written }
}

async function outcomeOf (app: App, pdp: HostilePdp, { name, requests }: Mode): Promise<Outcome> {
  const keys = Array.from({ length: requests }, (_, index) => `task-${index}`)
  // Connections are open and were used, as they are in an app that runs.
  await Promise.all(keys.slice(0, WARM).map(key => app.ask(`before-${key}`)))
  if ((await recover(app)).took === Infinity) throw new Error('there was no decision even before the fault')
  const bulks = pdp.bulks

  await pdp.begin()
  app.ran.clear()
  const during = await Promise.all(keys.map(async key => ({ key, ...await app.ask(key) })))
  const ranDuring = new Set(app.ran)
  const bulksDuring = pdp.bulks - bulks
  await pdp.end()

  const recovery = await recover(app)
  const seen = pdp.seen.length
  const undecided = during.filter(({ status }) => status === 503).map(({ key }) => key)
  const after = await Promise.all(undecided.slice(-AFTERWARDS).map(async key => ({ key, status: await decided(() => app.ask(key)) })))
  const asked = new Set(pdp.seen.slice(seen))
  const none = pdp.fault.outcome === 'none'
  return {
    mode: name,
    requests,
    unavailable: undecided.length,
    bulks: bulksDuring,
    wrongAllows: keys.filter(key => ranDuring.has(key) && (none || !truth(key))).length,
    wrongDenies: during.filter(({ key, status }) => status === 403 && (none || truth(key))).length,
    undocumented: during.filter(answer => !answer.documented || (answer.status === 200) !== ranDuring.has(answer.key)).length,
    remembered: after.filter(({ key, status }) => status !== 503 && !asked.has(key)).length,
    wrongAfterwards: after.filter(({ key, status }) => status !== 503 && status !== (truth(key) ? 200 : 403)).length,
    undecidedAfterwards: after.filter(({ status }) => status === 503).length,
    slowest: Math.max(...during.map(({ took }) => took)),
    slowestAwake: Math.max(...during.map(({ awake }) => awake)),
    recovery: recovery.took,
    recoveryAwake: recovery.awake
  }
}

/** How long it takes until there is a decision again. Each time another question is asked: none is remembered. */
async function recover (app: App): Promise<Elapsed> {
  const elapsed = stopwatch()
  const status = await decided(() => app.ask(app.newKey()))
  return status === 200 ? elapsed() : { took: Infinity, awake: Infinity }
}

/** Asks until there is a decision. */
async function decided (ask: () => Promise<{ status: number }>): Promise<number> {
  const start = performance.now()
  for (;;) {
    const { status } = await ask()
    if (status !== 503 || performance.now() - start > MAX_RECOVERY) return status
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

interface Elapsed {
  /** Ms. */
  readonly took: number
  /** Ms of it in which the event loop turned. */
  readonly awake: number
}

/** How often the event loop is looked at, and how much of the time between two looks counts at most, ms. */
const LOOK = 5
const MAX_TURN = 15

let awake = 0
let looked = performance.now()
setInterval(() => {
  const now = performance.now()
  awake += Math.min(now - looked, MAX_TURN)
  looked = now
}, LOOK).unref()

function stopwatch (): () => Elapsed {
  const [start, awakeAtStart] = [performance.now(), awake]
  return () => ({ took: performance.now() - start, awake: awake - awakeAtStart })
}

class App {
  readonly fastify: FastifyInstance
  /** The keys for which the handler ran. */
  readonly ran = new Set<string>()
  readonly #ready: PromiseLike<unknown>
  #keys = 0

  constructor ({ wire, url, token }: HostilePdp, { batch }: Mode) {
    this.fastify = Fastify()
    this.fastify.register(permit, { ...wire.options(url, token), user: byHeader, cache: { ttl: 60_000 }, timeout: TIMEOUT, batch })
    this.fastify.after(() => {
      this.fastify.get('/tasks/:id', { config: { permit: { action: 'read', resource: 'task:{id}' } } }, async request => {
        this.ran.add((request.params as { id: string }).id)
        return 'the secret'
      })
    })
    this.#ready = this.fastify.ready()
  }

  /** A resource that nobody has asked about, and everybody may read. */
  newKey (): string {
    this.#keys += 2
    return `new-${this.#keys}`
  }

  async ask (key: string): Promise<Elapsed & { status: number, documented: boolean }> {
    await this.#ready
    const elapsed = stopwatch()
    const { statusCode: status, headers, body } = await this.fastify.inject({ url: `/tasks/${key}`, headers: { 'x-user': 'ann' } })
    return { ...elapsed(), status, documented: isDocumented(status, headers['retry-after'], body) }
  }
}

function isDocumented (status: number, retryAfter: unknown, body: string): boolean {
  if (status === 200) return body === 'the secret'
  const { code, statusCode } = JSON.parse(body) as { code?: unknown, statusCode?: unknown }
  if (statusCode !== status) return false
  return status === 503 ? code === 'FST_PERMIT_UNAVAILABLE' && (retryAfter === '1' || retryAfter === '30') : status === 403 && code === 'FST_PERMIT_FORBIDDEN'
}

function watchMemory (wanted: boolean): { stop (): number } {
  if (!wanted) return { stop: () => 0 }
  const use = (): number => {
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  const atFirst = use()
  let most = atFirst
  const timer = setInterval(() => { most = Math.max(most, use()) }, 5)
  return {
    stop () {
      clearInterval(timer)
      return Math.max(most, use()) - atFirst
    }
  }
}
