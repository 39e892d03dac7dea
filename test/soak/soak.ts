// Load on an app while its PDP is killed, hung and started again, and roles come and go: nobody may get in who must not.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Pool } from 'undici'
import { Ledger, type ChangedBy } from './ledger.js'
import { Pdp, startApp, type AppProcess } from './processes.js'
import { MAX_SOCKETS, ROLE, TTL, type Vitals } from './settings.js'

const USERS = 10
const TASKS = 20
/** Requests in a second, and how often some are sent, ms. */
const RATE = 500
const BEAT = 10
/** Requests that may be open: past it, none are sent. */
const MAX_OPEN = 400
/** Ms within which the app decides again after the PDP is back. */
const MAX_RECOVERY = 1_000
/** Bytes of heap that may be more at the end than after a while. */
const MAX_GROWTH = 32 * 1024 * 1024
/** Ms that it may go on for when not enough has happened. */
const MAX_EXTENSION = 60_000
/** Ms in which the app has to end when it is asked to. */
const CLOSE_TIMEOUT = 10_000

export interface Figures {
  seconds: number
  requests: number
  allowed: number
  denied: number
  unavailable: number
  /** Of them, those that were asked and answered while the PDP was well: a busy machine may be the reason. */
  unavailableWhileWell: number
  /** Requests that were not answered as documented, or not at all. */
  failed: number
  /** Answers of which it is known that they are right; the others came while somebody's role was changing. */
  judged: number
  wrongAllows: number
  wrongDenies: number
  /** Roles that were taken away, by the app's own writes and at the PDP. */
  revocations: Record<ChangedBy, number>
  /** Changes that failed, and were made again. */
  failedChanges: number
  faults: Record<FaultName, number>
  /** Ms from when the PDP is back to the first decision, at most. */
  slowestRecovery: number
  heapBefore: number
  heapAfter: number
  sockets: number
  decisions: number
  cacheHits: number
  pdpRequests: number
}

type FaultName = 'killed' | 'hung' | 'hung and killed' | 'ended'
const FAULTS: readonly FaultName[] = ['killed', 'hung', 'hung and killed', 'ended']

export interface SoakResult {
  readonly figures: Figures
  /** What broke a promise; empty when all is well. */
  readonly violations: readonly string[]
}

export interface SoakOptions {
  readonly seconds: number
  /** On a busy machine little may happen in that time: then it goes on until this is true, for a minute at most. */
  readonly enough?: (figures: Figures) => boolean
  /** Hears of the progress, every few seconds. */
  readonly report: (line: string) => void
  /** Ends it early. */
  readonly signal?: AbortSignal
}

export async function soak (options: SoakOptions): Promise<SoakResult> {
  const folder = await mkdtemp(join(tmpdir(), 'fastify-permit-soak-'))
  const policy = join(folder, 'permit.json')
  const users = (['app', 'pdp'] as const).flatMap(changedBy => Array.from({ length: USERS }, (_, index) => ({ key: `${changedBy}-${index}`, changedBy })))
  await writeFile(policy, JSON.stringify({
    resources: { task: { actions: { read: {} } } },
    roles: { [ROLE]: { permissions: ['task:read'] } },
    users: Object.fromEntries(users.map(({ key }) => [key, {}])),
    role_assignments: users.map(({ key }) => ({ user: key, role: ROLE }))
  }))
  const pdp = new Pdp(policy, join(folder, 'data'))
  let app: AppProcess | undefined
  try {
    await pdp.start()
    app = await startApp(pdp)
    return await new Soak(options, pdp, app, users).run()
  } finally {
    app?.kill()
    await pdp.kill()
    await rm(folder, { recursive: true, force: true })
  }
}

interface User {
  readonly key: string
  readonly changedBy: ChangedBy
}

class Soak {
  readonly #options: SoakOptions
  readonly #pdp: Pdp
  readonly #app: AppProcess
  readonly #users: readonly User[]
  readonly #ledger = new Ledger(TTL)
  readonly #pool: Pool
  readonly #violations = new Set<string>()
  readonly #figures: Figures = {
    seconds: 0,
    requests: 0,
    allowed: 0,
    denied: 0,
    unavailable: 0,
    unavailableWhileWell: 0,
    failed: 0,
    judged: 0,
    wrongAllows: 0,
    wrongDenies: 0,
    revocations: { app: 0, pdp: 0 },
    failedChanges: 0,
    faults: { killed: 0, hung: 0, 'hung and killed': 0, ended: 0 },
    slowestRecovery: 0,
    heapBefore: 0,
    heapAfter: 0,
    sockets: 0,
    decisions: 0,
    cacheHits: 0,
    pdpRequests: 0
  }

  #over = false
  /** Since when the PDP has been well; undefined while it is not. */
  #wellSince: number | undefined = performance.now()
  #open = 0
  #probes = 0

  constructor (options: SoakOptions, pdp: Pdp, app: AppProcess, users: readonly User[]) {
    this.#options = options
    this.#pdp = pdp
    this.#app = app
    this.#users = users
    // The longest that anything waits is a write, whose PDP was stopped.
    this.#pool = new Pool(app.url, { connections: 64, headersTimeout: 30_000 })
  }

  async run (): Promise<SoakResult> {
    const figures = this.#figures
    const start = performance.now()
    for (const { key, changedBy } of this.#users) this.#ledger.add(key, changedBy)
    const load = setInterval(() => this.#send(), BEAT)
    const progress = setInterval(() => this.#options.report(this.#progress(start)), 5_000)
    try {
      await delay(1_000)
      figures.heapBefore = (await this.#vitals()).heap
      const changes = this.#users.map(user => this.#changeRoles(user))
      const faults = this.#misbehave()
      await this.#untilEnough()
      this.#over = true
      // The PDP is well when the faults are over, so that what waits for it ends.
      await faults
      await Promise.all(changes)
      // And whatever is remembered of before is forgotten.
      await delay(2 * TTL)
    } finally {
      clearInterval(load)
      clearInterval(progress)
    }
    figures.seconds = Math.round((performance.now() - start) / 1_000)
    while (this.#open > 0) await delay(BEAT)
    await this.#end()
    return { figures, violations: [...this.#violations] }
  }

  async #untilEnough (): Promise<void> {
    const { seconds, enough = () => true, signal } = this.#options
    await delay(seconds * 1_000, undefined, { signal }).catch(() => {})
    const end = performance.now() + MAX_EXTENSION
    while (!enough(this.#figures) && performance.now() < end && signal?.aborted !== true) await delay(BEAT)
  }

  async #end (): Promise<void> {
    const figures = this.#figures
    const { heap, sockets, checks, cacheHits, pdpRequests } = await this.#vitals()
    Object.assign(figures, { heapAfter: heap, sockets, decisions: checks.allowed + checks.denied, cacheHits, pdpRequests })
    await this.#pool.close()
    const { code, errors } = await this.#app.close(CLOSE_TIMEOUT)
    this.#demand(figures.wrongAllows === 0, `${figures.wrongAllows} wrong allows`)
    this.#demand(figures.wrongDenies === 0, `${figures.wrongDenies} wrong denies`)
    this.#demand(figures.failed === 0, `${figures.failed} requests were not answered as documented`)
    this.#demand(figures.slowestRecovery <= MAX_RECOVERY, `a recovery took ${Math.round(figures.slowestRecovery)} ms`)
    this.#demand(heap - figures.heapBefore <= MAX_GROWTH, `the heap has grown by ${heap - figures.heapBefore} bytes`)
    this.#demand(sockets <= MAX_SOCKETS, `${sockets} sockets to the PDP`)
    this.#demand(code === 0 && errors === '', code === undefined ? 'something kept the app from ending' : `the app ended with ${code}: ${errors}`)
  }

  #demand (holds: boolean, otherwise: string): void {
    if (!holds) this.#violations.add(otherwise)
  }

  #send (): void {
    for (let sent = 0; sent < RATE * BEAT / 1_000 && this.#open < MAX_OPEN; sent++) {
      const user = pick(this.#users).key
      this.#open++
      this.#ask(user, `${Math.floor(Math.random() * TASKS)}`).finally(() => { this.#open-- })
    }
  }

  /** One request, judged. Never rejects. */
  async #ask (user: string, task: string): Promise<number | undefined> {
    const figures = this.#figures
    figures.requests++
    const asked = performance.now()
    let status: number
    try {
      const answer = await this.#pool.request({ method: 'GET', path: `/tasks/${task}`, headers: { 'x-user': user } })
      status = answer.statusCode
      await answer.body.dump()
    } catch {
      figures.failed++
      return undefined
    }
    if (status === 503) {
      figures.unavailable++
      if (this.#wellSince !== undefined && asked >= this.#wellSince) figures.unavailableWhileWell++
    } else if (status !== 200 && status !== 403) {
      figures.failed++
    } else {
      this.#judge(user, asked, status === 200)
    }
    return status
  }

  #judge (user: string, asked: number, allowed: boolean): void {
    const figures = this.#figures
    if (allowed) figures.allowed++
    else figures.denied++
    const verdict = this.#ledger.judge(user, asked, allowed)
    if (verdict !== 'undecidable') figures.judged++
    if (verdict === 'wrong allow') figures.wrongAllows++
    if (verdict === 'wrong deny') figures.wrongDenies++
  }

  /** Takes a user's role away and gives it back, again and again. */
  async #changeRoles ({ key, changedBy }: User): Promise<void> {
    // Longer than what the app may remember, or there would be nothing to judge by.
    const least = changedBy === 'pdp' ? TTL : 0
    while (!this.#over) {
      await delay(least + Math.random() * 1_000)
      await this.#change(key, changedBy, 'revoked')
      await delay(least + Math.random() * 1_000)
      await this.#change(key, changedBy, 'granted')
    }
  }

  async #change (user: string, changedBy: ChangedBy, state: 'granted' | 'revoked'): Promise<void> {
    this.#ledger.begin(user)
    for (;;) {
      while (this.#pdp.listened < this.#pdp.generation) await delay(BEAT)
      const { generation } = this.#pdp
      if (await (changedBy === 'app' ? this.#changeByApp(user, state) : this.#changeAtPdp(user, state))) break
      this.#figures.failedChanges++
      // What was sent to a process may be applied by it as long as it lives: nothing else is sent before there is another.
      while (this.#pdp.listened <= generation) {
        if (this.#over) return
        await delay(BEAT)
      }
    }
    this.#ledger.acknowledge(user, state)
    if (state === 'revoked') this.#figures.revocations[changedBy]++
  }

  async #changeByApp (user: string, state: 'granted' | 'revoked'): Promise<boolean> {
    const answer = await this.#pool.request({ method: state === 'granted' ? 'PUT' : 'DELETE', path: `/roles/${user}` })
    await answer.body.dump()
    return answer.statusCode === 200
  }

  async #changeAtPdp (user: string, state: 'granted' | 'revoked'): Promise<boolean> {
    try {
      const { status } = await fetch(`${this.#pdp.url}/facts/role_assignments`, {
        method: state === 'granted' ? 'POST' : 'DELETE',
        headers: { authorization: `Bearer ${this.#pdp.token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ user, role: ROLE, tenant: 'default' })
      })
      return status < 300 || status === (state === 'granted' ? 409 : 404)
    } catch {
      return false
    }
  }

  /** One fault after the other; the PDP is well when it ends. */
  async #misbehave (): Promise<void> {
    for (let index = 0; !this.#over; index++) {
      await delay(700 + Math.random() * 1_300)
      const fault = FAULTS[index % FAULTS.length] as FaultName
      this.#wellSince = undefined
      await this.#inflict(fault)
      this.#figures.faults[fault]++
      await this.#recover()
    }
  }

  async #inflict (fault: FaultName): Promise<void> {
    const pdp = this.#pdp
    if (fault === 'hung' || fault === 'hung and killed') {
      pdp.signal('SIGSTOP')
      await delay(100 + Math.random() * 800)
      if (fault === 'hung') {
        pdp.signal('SIGCONT')
        return
      }
    }
    if (fault === 'ended') await pdp.terminate()
    else await pdp.kill()
    await delay(Math.random() * 500)
    await pdp.start()
  }

  /** Asks what nobody remembers until there is a decision. */
  async #recover (): Promise<void> {
    const start = performance.now()
    while (performance.now() - start < 10 * MAX_RECOVERY) {
      const status = await this.#ask(pick(this.#users).key, `probe-${this.#probes++}`)
      if (status === 200 || status === 403) break
      await delay(BEAT)
    }
    this.#wellSince = performance.now()
    this.#figures.slowestRecovery = Math.max(this.#figures.slowestRecovery, performance.now() - start)
  }

  async #vitals (): Promise<Vitals> {
    const { body } = await this.#pool.request({ method: 'GET', path: '/vitals' })
    return await body.json() as Vitals
  }

  #progress (start: number): string {
    const { requests, unavailable, wrongAllows, wrongDenies, revocations, faults } = this.#figures
    return `${Math.round((performance.now() - start) / 1_000)} s: ${requests} requests, ${unavailable} of them 503; ` +
      `${revocations.app + revocations.pdp} roles taken away; ${sum(faults)} faults; ${wrongAllows} wrong allows, ${wrongDenies} wrong denies`
  }
}

/** The figures as lines of a table. */
export function tableOf ({ figures, violations }: SoakResult): string {
  const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`
  const { revocations, faults } = figures
  const rows: [string, string | number][] = [
    ['seconds', figures.seconds],
    ['requests', figures.requests],
    ['  allowed', figures.allowed],
    ['  denied', figures.denied],
    ['  503, for want of a PDP', figures.unavailable],
    ['    although the PDP was well', figures.unavailableWhileWell],
    ['  anything else', figures.failed],
    ['answers that could be judged', figures.judged],
    ['wrong allows', figures.wrongAllows],
    ['wrong denies', figures.wrongDenies],
    ['decisions of the app', figures.decisions],
    ['  from its memory', figures.cacheHits],
    ['requests to the PDP', figures.pdpRequests],
    ['roles taken away by the app', revocations.app],
    ['roles taken away at the PDP', revocations.pdp],
    ['changes that failed, and were made again', figures.failedChanges],
    ['faults survived', sum(faults)],
    ...FAULTS.map(name => [`  ${name}`, faults[name]] as [string, number]),
    ['slowest recovery', `${Math.round(figures.slowestRecovery)} ms`],
    ['heap in the beginning', mib(figures.heapBefore)],
    ['heap at the end', mib(figures.heapAfter)],
    ['sockets to the PDP at the end', figures.sockets],
    ['violations', violations.length === 0 ? 'none' : violations.join('; ')]
  ]
  return rows.map(([name, value]) => `${name.padEnd(42)}${value}`).join('\n')
}

function pick<T> (items: readonly T[]): T {
  return items[Math.floor(Math.random() * items.length)] as T
}

function sum (counts: Record<string, number>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0)
}
