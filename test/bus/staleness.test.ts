// No decision is used for longer than `degradedTtl` after a write on another instance, whatever happens to messages, connections and processes.
import fc from 'fast-check'
import t from 'tap'
import { Instance, randomOf, SimulatedBus, SimulatedPdp, Time, type Faults } from './simulation.js'
import { assertCounted } from '../support/counted.js'

interface World {
  readonly seed: number
  readonly instances: number
  readonly degradedTtl: number
  readonly faults: Faults
  /** How many of each, in a life. */
  readonly cuts: number
  readonly restarts: number
  readonly crashes: number
  readonly freezes: number
  readonly pauses: number
  readonly slow: number
  /** Attacks by somebody who can send to the bus. */
  readonly attacks: number
}

const USERS = 12
const LIFE = 25_000

/** How long a write may wait for its bus, and for the PDP, ms. */
const MAX_WRITE = 300

async function live (world: World) {
  const { seed, instances, degradedTtl } = world
  const random = randomOf(seed)
  const time = new Time()
  const network = new SimulatedBus(time, random)
  const pdp = new SimulatedPdp(time, random)
  network.faults = world.faults
  let born = 0
  const fleet: Instance[] = []
  const start = (): Instance => {
    const instance = new Instance(born++, time, random, network, pdp, { ttl: 3_600_000, degradedTtl })
    instance.bus.open().catch(() => {})
    return instance
  }
  for (let index = 0; index < instances; index++) fleet.push(start())
  const any = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
  let worst = 0
  let hits = 0
  let stale = 0
  let missedOwn = 0
  let hung = 0
  const read = (instance: Instance): void => {
    if (time.now < instance.frozenUntil) return
    const user = `user-${Math.floor(random() * USERS)}`
    instance.ask(user, ({ source, version }) => {
      if (source !== 'cache') return
      hits++
      const staleness = pdp.staleness(user, version, instance.number)
      if (staleness > 0) stale++
      worst = Math.max(worst, staleness)
      if (!pdp.knowsOwn(user, version, instance.number)) missedOwn++
    })
  }
  const randomly = (count: number, what: () => void): void => {
    for (let index = 0; index < count; index++) time.at(2_000 + random() * (LIFE - 2_000), what)
  }
  randomly(2_000, () => read(any(fleet)))
  randomly(60, () => {
    const instance = any(fleet)
    if (time.now < instance.frozenUntil) return
    const others = fleet.filter(other => other !== instance).map(({ number }) => number)
    const begun = time.now
    let isOver = false
    instance.write(`user-${Math.floor(random() * USERS)}`, pdp, network, others).then(() => { isOver = true }, () => {})
    // An instance that stands still, or was killed, resolves nothing.
    time.at(begun + MAX_WRITE, () => { if (!isOver && instance.frozenUntil <= begun) hung++ })
  })
  randomly(world.cuts, () => {
    const { number } = any(fleet)
    network.cut(number, random() < 0.5)
    time.at(time.now + random() * 8_000, () => network.mend(number))
  })
  randomly(world.restarts, () => network.restart())
  randomly(world.pauses, () => {
    network.paused = true
    time.at(time.now + random() * 5_000, () => { network.paused = false })
  })
  randomly(world.freezes, () => {
    const instance = any(fleet)
    instance.frozenUntil = time.now + random() * 6_000
    // The first thing after a freeze is a request, before any timer and any message.
    for (let index = 0; index < 20; index++) time.at(instance.frozenUntil, () => read(instance))
  })
  randomly(world.attacks, () => network.attack())
  randomly(world.slow, () => network.slow(any(fleet).number, 0.2 + random() * 2, 8_000))
  randomly(world.crashes, () => {
    const index = Math.floor(random() * fleet.length)
    const [old] = fleet.splice(index, 1, start())
    if (old === undefined) return
    if (random() < 0.5) old.bus.close().catch(() => {})
    else {
      old.frozenUntil = Infinity
      network.cut(old.number, true)
    }
  })
  await time.runUntil(LIFE)

  // Then nothing disturbs the fleet any more.
  network.faults = { lost: 0, doubled: 0, delayed: 0, delay: 0 }
  await time.runUntil(LIFE + 20_000)
  const health = fleet.map(({ bus }) => bus.health())
  let late = 0
  const [writer] = fleet as [Instance, ...Instance[]]
  for (const reader of fleet) for (let user = 0; user < USERS; user++) reader.ask(`user-${user}`, () => {})
  await time.runUntil(time.now + 100)
  writer.write('user-0', pdp, network, []).catch(() => {})
  await time.runUntil(time.now + 5)
  for (const reader of fleet) {
    reader.ask('user-0', ({ source, version }) => {
      if (source === 'cache' && pdp.staleness('user-0', version, reader.number) > 0) late++
    })
  }
  await time.runUntil(time.now + 100)
  const gaps = fleet.reduce((sum, { bus }) => sum + bus.stats().gaps, 0)
  for (const { bus } of fleet) bus.close().catch(() => {})
  await time.runUntil(time.now + 2_000)
  return { worst, hits, stale, missedOwn, health, late, gaps, hung }
}

const probability = (max: number) => fc.double({ min: 0, max, noNaN: true })

const worlds: fc.Arbitrary<World> = fc.record({
  seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  instances: fc.integer({ min: 2, max: 4 }),
  degradedTtl: fc.integer({ min: 500, max: 4_000 }),
  faults: fc.record({
    lost: probability(0.4), doubled: probability(0.4), delayed: probability(0.5), delay: fc.double({ min: 0, max: 6_000, noNaN: true })
  }),
  cuts: fc.integer({ min: 0, max: 6 }),
  restarts: fc.integer({ min: 0, max: 3 }),
  crashes: fc.integer({ min: 0, max: 3 }),
  freezes: fc.integer({ min: 0, max: 4 }),
  pauses: fc.integer({ min: 0, max: 2 }),
  slow: fc.integer({ min: 0, max: 2 }),
  attacks: fc.integer({ min: 0, max: 8 })
})

t.test('a write on one instance is followed by the others within degradedTtl, whatever is lost, doubled, late, overtaken, cut off, restarted, played again or made up, and no write hangs', async t => {
  let stale = 0
  let hits = 0
  let gaps = 0
  await assertCounted(fc.asyncProperty(worlds, async world => {
    const lived = await live(world)
    stale += lived.stale
    hits += lived.hits
    gaps += lived.gaps
    if (lived.worst > world.degradedTtl) throw new Error(`a decision was used ${lived.worst} ms after the write`)
    if (lived.hung > 0) throw new Error(`${lived.hung} writes waited for the bus for longer than ${MAX_WRITE} ms`)
    if (lived.missedOwn > 0) throw new Error('an instance did not follow its own write')
    if (lived.late > 0) throw new Error('a write is not followed although nothing disturbs the fleet any more')
    const silent = lived.health.filter(({ ok }) => !ok)
    if (silent.length > 0) throw new Error(`the bus is not back: ${JSON.stringify(silent)}`)
  }), { numRuns: Number(process.env.RUNS ?? 5) }, () => {
    t.ok(stale > 10, `decisions were stale within the bound, so the faults were real: ${stale} of ${hits} hits`)
    t.ok(gaps > 5, `missing messages were noticed: ${gaps}`)
  })
})

const CALM: Omit<World, 'seed' | 'instances' | 'degradedTtl'> = {
  faults: { lost: 0, doubled: 0, delayed: 0, delay: 0 }, cuts: 0, restarts: 0, crashes: 0, freezes: 0, pauses: 0, slow: 0, attacks: 0
}

t.test('a network that gets slower and slower, and loses nothing, is noticed: the age of a message is not taken from its arrival', async t => {
  let worst = 0
  for (const seed of [1, 2, 3]) worst = Math.max(worst, (await live({ ...CALM, seed, instances: 2, degradedTtl: 1_000, slow: 8 })).worst)
  t.ok(worst > 200, `writes were followed late: ${worst} ms`)
  t.ok(worst <= 1_000, `and not later than the bound: ${worst} ms`)
})

t.test('without faults a write is followed before it resolves, and decisions are kept for the whole ttl', async t => {
  const { worst, hits, stale, health } = await live({ ...CALM, seed: 7, instances: 3, degradedTtl: 1_000 })
  t.ok(worst < 1, `${worst} ms`)
  t.ok(stale < 5)
  t.ok(hits > 1_500, `${hits} of 2000 checks were hits: nothing was forgotten for no reason`)
  t.match(health, [{ ok: true, instances: 3, silent: 0 }, { ok: true }, { ok: true }])
})
