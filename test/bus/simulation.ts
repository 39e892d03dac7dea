// A fleet in simulated time: real caches and the real bus over a network that loses, doubles, delays and reorders, and a PDP that knows what is true.
import { Bus, type BusLog } from '../../src/bus/bus.js'
import type { BusClock } from '../../src/bus/bus-clock.js'
import type { BusTransport } from '../../src/bus/bus-connection.js'
import { cached } from '../../src/decision/stages/cached.js'
import { FleetGenerations } from '../../src/decision/fleet-generations.js'
import { createQuery } from '../../src/decision/query.js'
import type { AskedPoint, Decision, Outcome, Query, Trace } from '../../src/contract/point.js'

/** Random numbers from a seed, so that a failure can be run again. */
export function randomOf (seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

interface Entry { readonly at: number, readonly order: number, readonly run: () => void, cancelled: boolean }

/** Simulated time: runs what is due, in order, and lets promises settle between. */
export class Time {
  now = 0
  #order = 0
  readonly #heap: Entry[] = []

  at (at: number, run: () => void): Entry {
    const entry = { at: Math.max(at, this.now), order: this.#order++, run, cancelled: false }
    this.#heap.push(entry)
    let index = this.#heap.length - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!isBefore(entry, this.#heap[parent] as Entry)) break
      this.#heap[index] = this.#heap[parent] as Entry
      index = parent
    }
    this.#heap[index] = entry
    return entry
  }

  async runUntil (end: number): Promise<void> {
    while (this.#heap.length > 0 && (this.#heap[0] as Entry).at <= end) {
      const entry = this.#take()
      if (entry.cancelled) continue
      this.now = entry.at
      entry.run()
      await settled()
    }
    this.now = end
  }

  #take (): Entry {
    const heap = this.#heap
    const first = heap[0] as Entry
    const last = heap.pop() as Entry
    if (heap.length > 0) {
      let index = 0
      while (true) {
        const left = 2 * index + 1
        if (left >= heap.length) break
        const least = left + 1 < heap.length && isBefore(heap[left + 1] as Entry, heap[left] as Entry) ? left + 1 : left
        if (!isBefore(heap[least] as Entry, last)) break
        heap[index] = heap[least] as Entry
        index = least
      }
      heap[index] = last
    }
    return first
  }
}

function isBefore (left: Entry, right: Entry): boolean {
  return left.at < right.at || (left.at === right.at && left.order < right.order)
}

async function settled (): Promise<void> {
  for (let turn = 0; turn < 12; turn++) await undefined
}

/** What may happen to a message on its way to one instance. */
export interface Faults {
  readonly lost: number
  readonly doubled: number
  readonly delayed: number
  /** The longest delay, ms. */
  readonly delay: number
}

const NO_FAULTS: Faults = { lost: 0, doubled: 0, delayed: 0, delay: 0 }

export class SimulatedBus {
  faults: Faults = NO_FAULTS
  /** Whether everything stands still: nothing is acknowledged or delivered. */
  paused = false
  readonly #time: Time
  readonly #random: () => number
  readonly #subscribers = new Map<number, { message (text: unknown): void, lost (reason: unknown): void }>()
  readonly #cut = new Set<number>()
  /** The last messages of instances. */
  readonly #said: string[] = []
  readonly #lag = new Map<number, (at: number) => number>()
  /** Which instance has heard which. */
  readonly heard = new Map<number, Set<number>>()
  /** Whether a message reaches all at the same time: a simulation of a thousand instances is slow otherwise. */
  together = false
  delivered = 0
  published = 0
  connected = 0

  constructor (time: Time, random: () => number) {
    this.#time = time
    this.#random = random
  }

  /** A subscriber that is cut off neither hears nor is heard. With `told` its connection ends; otherwise it does not know. */
  cut (who: number, told: boolean): void {
    this.#cut.add(who)
    if (told) {
      const subscriber = this.#subscribers.get(who)
      this.#subscribers.delete(who)
      subscriber?.lost('cut off')
    }
  }

  /** Messages to and from an instance take longer and longer, and none is lost. `growth` is the delay in ms for each ms. */
  slow (who: number, growth: number, duration: number): void {
    const start = this.#time.now
    this.#lag.set(who, at => at > start + duration ? 0 : growth * (at - start))
  }

  mend (who: number): void {
    this.#cut.delete(who)
  }

  /** Every connection ends. */
  restart (): void {
    const all = [...this.#subscribers.values()]
    this.#subscribers.clear()
    for (const { lost } of all) lost('restarted')
  }

  /** @param run - runs what an instance does, when the instance is not frozen */
  transportOf (who: number, run: (what: () => void) => void): BusTransport {
    return {
      name: 'simulated',
      connect: async events => {
        if (this.#cut.has(who) || this.paused) throw new Error('unreachable')
        this.connected++
        const subscriber = { message: (text: unknown) => run(() => events.message(text)), lost: events.lost }
        this.#subscribers.set(who, subscriber)
        return {
          publish: async text => {
            if (this.paused || this.#cut.has(who)) await new Promise(() => {})
            await new Promise<void>(resolve => { this.#time.at(this.#time.now + 0.2, resolve) })
            this.inject(text, who)
          },
          close: () => { if (this.#subscribers.get(who) === subscriber) this.#subscribers.delete(who) }
        }
      }
    }
  }

  /** What somebody does who can send to the bus, and does not have the secret: plays messages again, changes them, makes some up, floods. */
  attack (): void {
    const any = () => this.#said[Math.floor(this.#random() * this.#said.length)] ?? ''
    const kind = Math.floor(this.#random() * 4)
    if (kind === 0) {
      for (let count = 0; count < 50; count++) this.inject(any())
    } else if (kind === 1) {
      const text = any()
      const at = Math.floor(this.#random() * text.length)
      this.inject(text.slice(0, at) + String.fromCharCode(32 + Math.floor(this.#random() * 90)) + text.slice(at + 1))
      this.inject(text.slice(0, 22) + any().slice(22))
    } else if (kind === 2) {
      for (const text of [undefined, null, {}, '', 'x'.repeat(5_000), `${'A'.repeat(22)}{"v":1,"i":"0123456789abcdef","n":1,"c":1,"s":[],"f":"all"}`]) this.inject(text)
    } else {
      for (let count = 0; count < 700; count++) this.inject('flood')
    }
  }

  /** Passes a text on to everybody. */
  inject (text: unknown, from = -1): void {
    this.published++
    if (from >= 0 && typeof text === 'string') {
      this.#said.push(text)
      if (this.#said.length > 500) this.#said.shift()
    }
    if (this.together) {
      const to = [...this.#subscribers.values()]
      this.#time.at(this.#time.now + 0.1 + this.#random() * 0.3, () => {
        for (const subscriber of to) subscriber.message(text)
      })
      return
    }
    for (const [to, subscriber] of this.#subscribers) {
      const { lost, doubled, delayed, delay } = this.faults
      const copies = this.#random() < lost ? 0 : this.#random() < doubled ? 2 : 1
      for (let copy = 0; copy < copies; copy++) {
        const lag = Math.max(this.#lag.get(to)?.(this.#time.now) ?? 0, this.#lag.get(from)?.(this.#time.now) ?? 0)
        const wait = lag + (this.#random() < delayed ? this.#random() * delay : 0.1 + this.#random() * 0.3)
        this.#time.at(this.#time.now + wait, () => {
          if (this.paused || this.#cut.has(to) || this.#subscribers.get(to) !== subscriber) return
          this.delivered++
          if (from >= 0) this.#heardBy(to).add(from)
          subscriber.message(text)
        })
      }
    }
  }

  #heardBy (who: number): Set<number> {
    let heard = this.heard.get(who)
    if (heard === undefined) this.heard.set(who, heard = new Set())
    return heard
  }
}

/** What is true: by user a version that each write raises, with the time at which the write resolved. */
export class SimulatedPdp {
  readonly #time: Time
  readonly #random: () => number
  readonly #writes = new Map<string, Array<{ readonly by: number, resolved: number, readonly unknown: ReadonlySet<number> }>>()
  asked = 0

  constructor (time: Time, random: () => number) {
    this.#time = time
    this.#random = random
  }

  #of (user: string) {
    let writes = this.#writes.get(user)
    if (writes === undefined) this.#writes.set(user, writes = [])
    return writes
  }

  /** @param unknown - instances that have not heard of the writer */
  write (user: string, by: number, unknown: ReadonlySet<number>): { resolved: number } {
    const write = { by, resolved: Infinity, unknown }
    this.#of(user).push(write)
    return write
  }

  /** Answers with the version at the time when the question arrives. */
  point (run: (what: () => void) => void): AskedPoint {
    const ask = (query: Query, _deadline: number, outcome: Outcome, trace: Trace): void => {
      trace.source = 'pdp'
      this.asked++
      this.#time.at(this.#time.now + this.#random() * 5, () => {
        const decision: Decision = { allow: true, code: String(this.#of(query.user.key).length) }
        this.#time.at(this.#time.now + this.#random() * 5, () => run(() => outcome.settle(decision)))
      })
    }
    return { peek: () => undefined, decide () { throw new Error('not used') }, ask, stats: () => ({}) }
  }

  /** How long after the first write that it does not know of a decision was used by an instance, ms; 0 for one that is right. */
  staleness (user: string, version: number, reader: number): number {
    const missed = this.#of(user).slice(version).find(({ by, unknown }) => by !== reader && !unknown.has(reader))
    return missed === undefined ? 0 : Math.max(0, this.#time.now - missed.resolved)
  }

  /** Whether the instance's own writes are in the decision. */
  knowsOwn (user: string, version: number, reader: number): boolean {
    return !this.#of(user).slice(version).some(({ by, resolved }) => by === reader && resolved <= this.#time.now)
  }
}

export interface Use { readonly source: string | undefined, readonly version: number }

/** One instance of an app: a cache, its generations and the bus. It may stand still, and its clock began at another time. */
export class Instance {
  readonly bus: Bus
  readonly generations = new FleetGenerations()
  readonly #cache: AskedPoint
  readonly #time: Time
  frozenUntil = 0

  constructor (
    readonly number: number, time: Time, random: () => number, network: SimulatedBus, pdp: SimulatedPdp,
    options: { readonly ttl: number, readonly degradedTtl: number, readonly max?: number, readonly log?: BusLog, readonly alone?: boolean }
  ) {
    this.#time = time
    const offset = random() * 1_000_000
    // Timers and messages wait for a frozen instance. Then requests come first, which is the worst order.
    const run = (what: () => void): void => {
      if (time.now >= this.frozenUntil) what()
      else time.at(this.frozenUntil + 0.01, () => run(what))
    }
    const clock: BusClock = {
      now: () => time.now + offset,
      after (delay, what) {
        const entry = time.at(time.now + delay, () => run(() => { if (!entry.cancelled) what() }))
        return () => { entry.cancelled = true }
      },
      random
    }
    this.bus = new Bus({
      transport: network.transportOf(number, run),
      secret: 'the secret of the simulated fleet',
      channel: 'simulated',
      degradedTtl: options.degradedTtl,
      forget: what => this.generations.invalidateHere(what),
      log: options.log,
      clock
    })
    this.generations.connect(this.bus)
    // Without a bus only the ttl limits how old a decision gets.
    if (options.degradedTtl < options.ttl && options.alone !== true) this.generations.limit = this.bus.lease
    this.#cache = cached(pdp.point(run), { ttl: options.ttl, max: options.max ?? 1_000 }, this.generations, { now: clock.now })
  }

  /** Asks, and calls back with the decision when it is there. */
  ask (user: string, used: (use: Use) => void): void {
    const trace: Trace = { source: undefined }
    const settle = ({ code }: Decision): void => used({ source: trace.source, version: Number(code) })
    this.#cache.ask(createQuery(user, 'read', 'task'), Infinity, { settle, fail: () => {} }, trace)
  }

  /** A write: it takes a while at the PDP, and resolves when the others have been told. */
  async write (user: string, pdp: SimulatedPdp, network: SimulatedBus, others: readonly number[]): Promise<void> {
    const unknown = new Set(others.filter(other => network.heard.get(other)?.has(this.number) !== true))
    const write = pdp.write(user, this.number, unknown)
    await new Promise<void>(resolve => { this.#time.at(this.#time.now + 1, resolve) })
    this.generations.invalidate(user)
    await this.generations.told()
    write.resolved = this.#time.now
  }
}
