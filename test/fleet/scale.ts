// `npm run fleet`: what a fleet costs one PDP, in simulated time with the real cache and the real bus. Writes docs/fleet.svg and prints the figures.
import { writeFileSync } from 'node:fs'
import { ttlOfInstance } from '../../src/decision/stages/cached.js'
import { probesOf } from './probes.js'
import { Instance, randomOf, SimulatedBus, SimulatedPdp, Time } from '../bus/simulation.js'

const USERS = 100_000

/** Numbers of users, the first ones far more often: the chance is that of Zipf's law with exponent 1. */
function zipf (random: () => number): () => number {
  const sums = new Float64Array(USERS)
  let sum = 0
  for (let rank = 0; rank < USERS; rank++) sums[rank] = (sum += 1 / (rank + 1))
  return () => {
    const wanted = random() * sum
    let low = 0
    let high = USERS - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if ((sums[middle] as number) < wanted) low = middle + 1
      else high = middle
    }
    return low
  }
}

interface Setting { readonly instances: number, readonly ttl: number, readonly bus: boolean, readonly requests: number, readonly writes: number, readonly seconds: number }

interface Cost { readonly hitRatio: number, readonly asked: number, readonly stalest: number, readonly staleShare: number }

/** The requests of the whole fleet are spread over its instances at random, and so are the writes. */
async function run ({ instances, ttl, bus, requests, writes, seconds }: Setting): Promise<Cost> {
  const random = randomOf(instances * 1_000 + ttl)
  const time = new Time()
  const network = new SimulatedBus(time, random)
  const pdp = new SimulatedPdp(time, random)
  const user = zipf(random)
  const fleet = Array.from({ length: instances }, (_, number) => new Instance(number, time, random, network, pdp, { ttl, degradedTtl: Math.min(ttl, 2_000), max: 200_000, alone: !bus }))
  for (const instance of fleet) if (bus) instance.bus.open().catch(() => {})
  await time.runUntil(3_000)
  const start = time.now
  // Caches are full after one ttl, and counted from then.
  const from = start + Math.min(ttl, 60_000)
  const end = from + seconds * 1_000
  const counts = { hits: 0, checks: 0, stale: 0, stalest: 0, before: 0 }
  let nextWrite = start
  for (let at = start; at < end; at += -Math.log(1 - random()) * 1_000 / requests) {
    await time.runUntil(at)
    const reader = fleet[Math.floor(random() * instances)] as Instance
    const name = `user-${user()}`
    if (at >= from && counts.before === 0) counts.before = pdp.asked
    reader.ask(name, ({ source, version }) => {
      if (time.now < from) return
      counts.checks++
      if (source !== 'cache') return
      counts.hits++
      const staleness = pdp.staleness(name, version, reader.number)
      if (staleness === 0) return
      counts.stale++
      counts.stalest = Math.max(counts.stalest, staleness)
    })
    if (at >= nextWrite) {
      nextWrite += 1_000 / writes
      const writer = fleet[Math.floor(random() * instances)] as Instance
      writer.write(`user-${user()}`, pdp, network, []).catch(() => {})
    }
  }
  const asked = (pdp.asked - counts.before) / seconds
  return { hitRatio: counts.hits / counts.checks, asked, stalest: counts.stalest, staleShare: counts.stale / counts.checks }
}

interface Storm { readonly before: number, readonly peak: number, readonly forgotten: number }

/** Everything is forgotten by one write, as a reload of the policy does, in a large fleet: the most questions in a tenth of a second. */
async function storm (instances: number, requestsEach: number): Promise<Storm> {
  const random = randomOf(instances)
  const time = new Time()
  const network = new SimulatedBus(time, random)
  const pdp = new SimulatedPdp(time, random)
  const fleet = Array.from({ length: instances }, (_, number) => new Instance(number, time, random, network, pdp, { ttl: 60_000, degradedTtl: 60_000 }))
  network.together = instances > 100
  for (const instance of fleet) time.at(random() * 500, () => { instance.bus.open().catch(() => {}) })
  await time.runUntil(2_500)
  const user = zipf(random)
  const requests = instances * requestsEach
  const perTenth: number[] = []
  const ask = async (tenths: number): Promise<void> => {
    for (let tenth = 0; tenth < tenths; tenth++) {
      const before = pdp.asked
      for (let index = 0; index < requests / 10; index++) {
        if (index % 100 === 0) await time.runUntil(time.now + 100 / (requests / 1_000))
        // A few hot users each, so that caches are warm after a few seconds.
        ;(fleet[Math.floor(random() * instances)] as Instance).ask(`user-${user() % 10}`, () => {})
      }
      perTenth.push((pdp.asked - before) * 10)
    }
  }
  await ask(60)
  const quiet = perTenth.slice(-5).reduce((sum, value) => sum + value, 0) / 5
  fleet[0]?.generations.invalidate()
  const from = perTenth.length
  await ask(30)
  const forgotten = fleet.reduce((sum, { bus }) => sum + bus.stats().forgetAll, 0)
  return { before: quiet, peak: Math.max(...perTenth.slice(from)), forgotten }
}

interface Crowd { readonly connects: number, readonly published: number, readonly questions: number }

/**
 * The most in a second, when many instances start at once, in steady use, when the bus and all connections to it end at once, and when each
 * instance writes once at the same time.
 */
async function crowd (instances: number): Promise<Record<'start' | 'steady' | 'outage' | 'writes', Crowd> & { readonly upAgain: number, readonly forgetAll: number }> {
  const random = randomOf(instances)
  const time = new Time()
  const network = new SimulatedBus(time, random)
  const pdp = new SimulatedPdp(time, random)
  const fleet = Array.from({ length: instances }, (_, number) => new Instance(number, time, random, network, pdp, { ttl: 60_000, degradedTtl: 60_000 }))
  network.together = true
  const requests = instances * 2
  const user = zipf(random)
  const measure = async (seconds: number): Promise<Crowd> => {
    let most = { connects: 0, published: 0, questions: 0 }
    for (let second = 0; second < seconds; second++) {
      const before = { connects: network.connected, published: network.published, questions: pdp.asked }
      for (let index = 0; index < requests; index++) {
        if (index % 100 === 0) await time.runUntil(time.now + 100_000 / requests)
        ;(fleet[Math.floor(random() * instances)] as Instance).ask(`user-${user() % 10}`, () => {})
      }
      most = {
        connects: Math.max(most.connects, network.connected - before.connects),
        published: Math.max(most.published, network.published - before.published),
        questions: Math.max(most.questions, pdp.asked - before.questions)
      }
    }
    return most
  }
  for (const instance of fleet) instance.bus.open().catch(() => {})
  const start = { ...await measure(3), connects: network.connected }
  await measure(4)
  const steady = await measure(2)
  network.restart()
  const from = time.now
  const outage = await measure(3)
  const upAgain = fleet.every(({ bus }) => bus.stats().up) ? time.now - from : Infinity
  await measure(4)
  const forgetsOf = () => fleet.reduce((sum, { bus }) => sum + bus.stats().forgetAll, 0)
  const before = forgetsOf()
  for (const [index, { generations }] of fleet.entries()) generations.invalidate(`user-${index}`)
  const writes = await measure(3)
  return { start, steady, outage, writes, upAgain, forgetAll: (forgetsOf() - before) / instances }
}

/** Many instances get the same decisions at once, as after a reload: the most questions in a tenth of a second when those expire, twice. */
async function expiries (instances: number, ttlOf: (ttl: number, random: number) => number): Promise<readonly [number, number]> {
  const random = randomOf(instances)
  const time = new Time()
  const network = new SimulatedBus(time, random)
  const pdp = new SimulatedPdp(time, random)
  const TTL = 10_000
  const fleet = Array.from({ length: instances }, (_, number) =>
    new Instance(number, time, random, network, pdp, { ttl: ttlOf(TTL, random()), degradedTtl: TTL, alone: true }))
  const most: number[] = [0, 0, 0]
  while (time.now < 2.5 * TTL) {
    const before = pdp.asked
    // Each instance uses its decision all the time.
    for (const instance of fleet) instance.ask('user-0', () => {})
    await time.runUntil(time.now + 100)
    const turn = Math.round(time.now / TTL)
    most[turn] = Math.max(most[turn] ?? 0, pdp.asked - before)
  }
  return [most[1] as number, most[2] as number]
}

const CROWD = Number(process.env.CROWD ?? 1_000)
const REQUESTS = 2_000
const rows: Array<Setting & Cost> = []
// With `--crowd`, only the instances on the bus.
if (!process.argv.includes('--crowd')) {
  for (const { ttl, bus } of [{ ttl: 2_000, bus: false }, { ttl: 60_000, bus: false }, { ttl: 60_000, bus: true }]) {
    for (const instances of [1, 4, 16]) {
      const setting = { instances, ttl, bus, requests: REQUESTS, writes: 2, seconds: Number(process.env.SECONDS ?? 30) }
      const row = { ...setting, ...await run(setting) }
      rows.push(row)
      console.log(`| ${instances} | ${ttl / 1_000} s | ${bus ? 'yes' : 'no'} | ${(row.hitRatio * 100).toFixed(0)} % | ${row.asked.toFixed(0)} | ${row.stalest < 10 ? row.stalest.toFixed(1) + ' ms' : (row.stalest / 1_000).toFixed(1) + ' s'} |`)
    }
  }
  if (process.argv.includes('--write')) writeFileSync(new URL('../../docs/fleet.svg', import.meta.url), chart())
  for (const instances of [16, 100, CROWD]) {
    const { before, peak } = await storm(instances, 20)
    console.log(`${instances} instances with ${instances * 20} requests/s forget everything: from ${before.toFixed(0)} to ${peak.toFixed(0)} questions/s`)
  }

  for (const [name, ttlOf] of [['the same ttl', (ttl: number) => ttl], ['a ttl each', ttlOfInstance]] as const) {
    const [first, second] = await expiries(CROWD, ttlOf)
    console.log(`${CROWD} instances with ${name}, which got a decision at once, ask at most ${first} times in 0.1 s when it expires, then ${second} times`)
  }
  for (const halfOpenAfter of [500, 5_000]) {
    for (const hangs of [false, true]) {
      const { first, perSecond, most, closed } = await probesOf(CROWD, halfOpenAfter, hangs)
      console.log(`${CROWD} breakers with halfOpenAfter ${halfOpenAfter} before a PDP that ${hangs ? 'hangs' : 'refuses'}: ${first} probes in the first second, then ` +
        `${perSecond.toFixed(0)} per second, at most ${most} in 0.1 s; all are closed ${closed.toFixed(0)} ms after its return`)
    }
  }
}
// Each message is verified by each instance: a thousand of them take minutes.
const MESSENGERS = Number(process.env.MESSENGERS ?? CROWD)
const { upAgain, forgetAll, ...situations } = await crowd(MESSENGERS)
for (const [name, { connects, published, questions }] of Object.entries(situations)) {
  console.log(`${MESSENGERS} instances, ${name}: in a second at most ${connects} connections and ${published} messages at the bus, and ${questions} questions to the PDP`)
}
console.log(`after an outage all of them are on the bus within ${(upAgain / 1_000).toFixed(0)} s; ${MESSENGERS} writes at once make an instance forget everything ${forgetAll.toFixed(1)} times`)

/** Bars: what the PDP is asked, by instances, for each setting. */
function chart (): string {
  const [width, height, left, bottom] = [720, 320, 60, 270]
  const most = Math.max(...rows.map(({ asked }) => asked))
  const colours = ['#8b949e', '#d29922', '#2f81f7']
  const names = ['ttl 2 s', 'ttl 60 s, without a bus', 'ttl 60 s, with a bus']
  const bars = rows.map(({ instances, asked, stalest }, index) => {
    const kind = Math.floor(index / 3)
    const x = left + [1, 4, 16].indexOf(instances) * 215 + kind * 62 + 15
    const size = asked / most * 200
    const stale = stalest < 1 ? 'at once' : stalest < 10 ? `${stalest.toFixed(1)} ms` : `${(stalest / 1_000).toFixed(1)} s`
    return `<rect x="${x}" y="${(bottom - size).toFixed(1)}" width="52" height="${size.toFixed(1)}" fill="${colours[kind]}"/>` +
      `<text x="${x + 26}" y="${(bottom - size - 18).toFixed(1)}" text-anchor="middle">${asked.toFixed(0)}/s</text>` +
      `<text x="${x + 26}" y="${(bottom - size - 5).toFixed(1)}" text-anchor="middle" fill="#8b949e">${stale}</text>`
  })
  const labels = [1, 4, 16].map((instances, index) => `<text x="${left + index * 215 + 103}" y="${bottom + 18}" text-anchor="middle">${instances} instance${instances === 1 ? '' : 's'}</text>`)
  const legend = names.map((name, index) => `<rect x="${left + index * 215 + 15}" y="300" width="10" height="10" fill="${colours[index]}"/><text x="${left + index * 215 + 30}" y="309">${name}</text>`)
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="11" fill="#57606a">
<title>Questions to the PDP per second, and the oldest decision that was used after a write, for ${REQUESTS} requests per second</title>
<text x="${left}" y="20" font-size="13">Questions to one PDP for ${REQUESTS.toLocaleString('en')} requests/s; below: the oldest decision in use after a write</text>
${[...bars, ...labels, ...legend].join('\n')}
<line x1="${left}" y1="${bottom}" x2="${width - 20}" y2="${bottom}" stroke="#8b949e"/>
</svg>
`
}
