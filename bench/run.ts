// npm run bench: everything that is claimed about speed, measured, into results.json, chart.svg and the pages that show figures.
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { asItIsRow, asItIsTable, BARE, busyPdpTable, CACHED, FLOOR, measureAsItIs, measureBusyPdp, MISSES, SDK, type AsItIsRow, type BusyPdpPair } from './as-it-is.js'
import { againstTheFaster, measureCerbos } from './cerbos.js'
import { chart } from './chart.js'
import { compare } from './compare.js'
import { measureDecisions } from './contest.js'
import { measureGrowth, type GrowthRow } from './growth.js'
import { measureDeopts, type DeoptRow } from './deopts.js'
import { measureGuards } from './guard.js'
import { measureHttp, median, type Row } from './http.js'
import { listsTable, measureLists, perInstance, slowestPage, slowestPlan, type ListsResult } from './lists.js'
import { loadingTable, measureLoading, measureReload, type LoadingRow, type ReloadRow } from './loading.js'
import { besideSdk, measureOpenfga, openfgaTable, type OpenfgaRow } from './openfga.js'
import { writePages } from './pages.js'
import { start, stopAll } from './processes.js'
import { profile, type ProfileRow } from './profile.js'
import { measureSingle } from './single.js'
import { measureStart, startRow, startTable, type StartResult } from './start.js'

export interface Target { what: string, wanted: string, measured: number, met: boolean }

export interface Results {
  date: string
  machine: { cpu: string, cores: number, node: string }
  versions: Record<string, string>
  quick: boolean
  targets: Target[]
  http: Row[]
  curves: Record<string, Record<string, Row[]>>
  growth: GrowthRow[]
  decisions: Awaited<ReturnType<typeof measureDecisions>>
  guards: Awaited<ReturnType<typeof measureGuards>>
  single: Awaited<ReturnType<typeof measureSingle>>
  cerbos: Awaited<ReturnType<typeof measureCerbos>>
  bytesPerDecision: number
  /** The parts below are missing in results of before they were measured, and some of them in those of `--quick`. */
  start?: StartResult
  asItIs?: AsItIsRow[]
  busyPdp?: BusyPdpPair[]
  openfga?: OpenfgaRow[]
  loading?: LoadingRow[]
  reload?: ReloadRow
  profile?: Record<string, ProfileRow[]>
  deopts?: DeoptRow[]
  lists?: ListsResult
}

const { values: options } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, compare: { type: 'string', multiple: true }, out: { type: 'string' }, profile: { type: 'string' }, start: { type: 'boolean', default: false }, 'as-it-is': { type: 'boolean', default: false }, loading: { type: 'boolean', default: false }, lists: { type: 'boolean', default: false }, 'busy-pdp': { type: 'boolean', default: false }, openfga: { type: 'boolean', default: false }, write: { type: 'boolean', default: false } }
})

if (options.compare !== undefined) {
  const [before, after = fileURLToPath(new URL('../results.json', import.meta.url))] = options.compare
  console.log(compare(read(before!), read(after)))
  process.exit()
}

if (options.write) {
  writePages(read(fileURLToPath(new URL('../results.json', import.meta.url))))
  process.exit()
}

if (options.profile !== undefined) {
  console.table((await profile(options.profile, 6)).map(({ what, share }) => ({ what, '% of busy time': (share * 100).toFixed(1) })))
  stopAll()
  process.exit()
}

const progress = (text: string) => process.stderr.write(`${text}\n`)

/** Rounds of fresh processes. */
const STARTS = 10

if (options.start) {
  startTable(await measureStart(STARTS, progress))
  stopAll()
  process.exit()
}

if (options['as-it-is']) {
  const rows = await measureAsItIs(5, 3, progress)
  asItIsTable(rows)
  targetTable(asItIsTargets(rows))
  stopAll()
  process.exit()
}

if (options['busy-pdp']) {
  const pairs = await measureBusyPdp(10, 4, progress)
  busyPdpTable(pairs)
  targetTable(busyPdpTargets(pairs))
  stopAll()
  process.exit()
}

if (options.openfga) {
  const rows = await measureOpenfga(10, 4, progress)
  openfgaTable(rows)
  targetTable(openfgaTargets(rows))
  stopAll()
  process.exit()
}

if (options.loading) {
  const { loading, reload } = await measureLoads(options.quick)
  loadingTable(loading)
  targetTable(loadingTargets(loading, reload))
  stopAll()
  process.exit()
}

/** Facts of the worlds in which plans are made. */
const PLAN_SIZES = [1_000, 10_000, 100_000, 1_000_000]

if (options.lists) {
  const lists = await measureLists(9, PLAN_SIZES, progress)
  listsTable(lists)
  targetTable(listsTargets(lists))
  stopAll()
  process.exit()
}

const { quick } = options
const began = performance.now()
const rounds = quick ? 2 : 5

const BY_THEMSELVES = ['permit: warm cache', 'permit: warm cache, many users', 'permit: embedded', 'fastify-guard (roles in the request)', '@casl/ability (one ability for a user)', 'casbin (fastify-casbin-rest)']
const WITH_A_PDP = ['permit: no cache', 'undici pool in a hook, a batch for each turn', 'undici pool in a hook', 'permitio SDK in a hook']

progress('The start')
const fromStart = await measureStart(quick ? 3 : STARTS, progress)
progress('Guards by themselves')
const guards = await measureGuards(quick ? 5 : 20, 50_000)
progress('Decisions in one process')
const decisions = await measureDecisions(rounds, quick ? 200 : 1_000, progress)
const { loading, reload } = await measureLoads(quick)
progress('Growth')
const growth = await measureGrowth(quick ? [1_000, 100_000] : [1_000, 10_000, 100_000, 1_000_000], quick ? 3 : 9, progress)
const lists = await measureLists(quick ? 3 : 9, quick ? [1_000, 100_000] : PLAN_SIZES, progress)
progress('One check at a time')
const single = await measureSingle(quick ? 5 : 15, quick ? 500 : 1_500)
progress('Memory')
const memory = await start<{ bytes: number }>('./memory.js', [], ['--expose-gc'])
progress('By a real Cerbos')
const cerbos = await measureCerbos(rounds, quick ? 500 : 2_000, progress)
progress('As it is run')
const asItIs = await measureAsItIs(quick ? 2 : 5, quick ? 1 : 3, progress)
const busyPdp = await measureBusyPdp(quick ? 2 : 10, quick ? 1 : 4, progress)
const openfga = await measureOpenfga(quick ? 2 : 6, quick ? 1 : 3, progress)
progress('Over HTTP')
const http = await measureHttp({ variants: ['bare', ...BY_THEMSELVES, ...WITH_A_PDP], starts: quick ? 1 : 3, rounds: 2, seconds: quick ? 0.5 : 0.7 }, progress)

const curves: Results['curves'] = {}
if (!quick) {
  const curve = { starts: 1, rounds: 2, seconds: 0.5 }
  curves.connections = {}
  for (const connections of [1, 16, 64, 256, 1_024]) {
    curves.connections[connections] = await measureHttp({ variants: ['bare', 'permit: warm cache', 'permit: no cache', 'undici pool in a hook, a batch for each turn'], connections, ...curve }, progress)
  }
  curves['share of hits'] = {}
  for (const hits of [0, 0.5, 0.9, 1]) {
    curves['share of hits'][`${hits * 100} %`] = await measureHttp({ variants: ['bare', 'permit: some hits'], setting: { hits }, ...curve }, progress)
  }
  curves['PDP latency'] = {}
  for (const latency of [0, 5, 50]) {
    curves['PDP latency'][`${latency} ms`] = await measureHttp({ variants: ['bare', 'permit: no cache', 'undici pool in a hook'], latency, ...curve }, progress)
  }
  curves.users = {}
  for (const users of [1_000, 10_000, 100_000]) {
    curves.users[users] = await measureHttp({ variants: ['bare', 'permit: embedded'], setting: { users }, ...curve }, progress)
  }
}
const profiles: Results['profile'] = {}
const deopts = quick ? undefined : await measureDeopts(['hit: one user, constant resource', 'hit: template', 'embedded: 1,000 users, constant resource'], progress)
if (!quick) {
  for (const variant of ['permit: warm cache', 'permit: no cache', 'undici pool in a hook, a batch for each turn']) {
    progress(`Profile: ${variant}`)
    profiles[variant] = await profile(variant, 6)
  }
}
stopAll()

const row = (name: string) => http.find(row => row.name === name)!
const rate = (name: string) => 1 / decisions.find(row => row.name === name)!.ratio
const sdk = row('permitio SDK in a hook')
const uncached = row('permit: no cache')
const floor = row('undici pool in a hook, a batch for each turn')

const results: Results = {
  date: new Date().toISOString().slice(0, 10),
  machine: { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, node: process.version },
  versions: versions(['fastify', 'undici', 'lru-cache', 'permitio', 'casbin', 'fastify-casbin-rest', 'fastify-guard', '@casl/ability', '@cedar-policy/cedar-wasm', '@cerbos/http', '@cerbos/grpc', '@openfga/sdk', '@casl/prisma', '@cerbos/orm-prisma', 'kysely', '@prisma/client', 'pg']),
  quick,
  targets: [
    atLeast('requests/s, warm cache, against bare', 0.96, row('permit: warm cache').ratio),
    atLeast('requests/s, every decision a miss, against bare', 0.60, uncached.ratio),
    atLeast('the same, against the SDK in a hook', 12, uncached.ratio / sdk.ratio),
    atMost("p99 latency of the same, against the SDK's", 0.125, uncached.p99 / sdk.p99),
    atMost('one check at a time, no cache: latency against a bare undici request', 1.05, single.ratio),
    atLeast('requests/s, embedded, no cache, against bare', 0.93, row('permit: embedded').ratio),
    atLeast('decisions/s in one process, against casbin', 1_000, rate('casbin')),
    atLeast('the same, against Cedar', 50, rate('@cedar-policy/cedar-wasm')),
    atLeast('decisions/s with the most role assignments, against 1,000', 0.8, growth.filter(row => row.scenario.startsWith('RBAC, 10')).at(-1)!.ofSmallest),
    atMost('requests to the PDP for 1,000 different checks in one tick', 25, single.burst),
    ...(cerbos.length === 0
      ? []
      : [64, 256].map(concurrency => atLeast(`checks/s by a real Cerbos, ${concurrency} at a time, against the faster of its own clients`, 4, againstTheFaster(cerbos, concurrency)))),
    atMost('bytes of heap for a decision in the cache', 300, memory.hello.bytes),
    ...startTargets(fromStart),
    ...asItIsTargets(asItIs),
    ...busyPdpTargets(busyPdp),
    ...openfgaTargets(openfga),
    atLeast('requests/s, every decision a miss, against the floor: a hook that only batches', 0.95, uncached.ratio / floor.ratio),
    ...loadingTargets(loading, reload),
    ...listsTargets(lists)
  ],
  http,
  curves,
  growth,
  decisions,
  guards,
  single,
  cerbos,
  bytesPerDecision: memory.hello.bytes,
  start: fromStart,
  asItIs,
  busyPdp,
  openfga,
  loading,
  reload,
  lists,
  ...(deopts === undefined ? {} : { profile: profiles, deopts })
}

const out = options.out ?? fileURLToPath(new URL(quick ? '../results.quick.json' : '../results.json', import.meta.url))
writeFileSync(out, `${JSON.stringify(results, null, 2)}\n`)
if (!quick) {
  const { machine } = results
  writeFileSync(fileURLToPath(new URL('../chart.svg', import.meta.url)), chart(
    'Requests per second through one guarded Fastify route',
    `64 connections, medians of rounds in turns; ${machine.cores} cores for server, PDP and load; Node ${machine.node}`, http))
  if (options.out === undefined) writePages(results)
}
targetTable(results.targets)
console.table(http.map(({ name, requests, ratio, p50, p99, cpu, extra }) => ({
  name, 'requests/s': Math.round(requests), 'against bare': Number(ratio.toFixed(3)), 'p50 ms': p50, 'p99 ms': p99, 'processor µs': Number(cpu.toFixed(1)), 'beyond bare': Number(extra.toFixed(1))
})))
console.table(decisions.map(({ name, perSecond }) => ({ name, 'decisions/s': Math.round(perSecond) })))
console.table(cerbos.map(({ name, concurrency, perSecond, ratio }) => ({ name, 'at a time': concurrency, 'checks/s': Math.round(perSecond), 'the first against it': Number(ratio.toFixed(2)) })))
console.table(guards.map(({ name, nanoseconds }) => ({ name, 'ns a call': Math.round(nanoseconds) })))
startTable(fromStart)
asItIsTable(asItIs)
busyPdpTable(busyPdp)
openfgaTable(openfga)
loadingTable(loading)
listsTable(lists)
progress(`written to ${out} after ${Math.round((performance.now() - began) / 60_000)} minutes`)
process.exit()

function atLeast (what: string, wanted: number, measured: number): Target {
  return { what, wanted: `at least ${wanted}`, measured, met: measured >= wanted }
}

function atMost (what: string, wanted: number, measured: number): Target {
  return { what, wanted: `at most ${wanted}`, measured, met: measured <= wanted }
}

function targetTable (targets: readonly Target[]): void {
  console.table(targets.map(({ what, wanted, measured, met }) => ({ what, wanted, measured: Number(measured.toPrecision(3)), met })))
}

function asItIsTargets (rows: readonly AsItIsRow[]): Target[] {
  const [bare, cached, misses, floor, sdk] = [BARE, CACHED, MISSES, FLOOR, SDK].map(name => asItIsRow(rows, name)) as [
    AsItIsRow, AsItIsRow, AsItIsRow, AsItIsRow, AsItIsRow
  ]
  return [
    atLeast('as it is run: requests/s, warm cache, against bare', 0.95, cached.ratio),
    atLeast('as it is run: requests/s, every decision a miss, against bare', 0.6, misses.ratio),
    atLeast('as it is run: the same, of the floor (a hook that only batches)', 0.95, misses.requests / floor.requests),
    atLeast('as it is run: the same, against the SDK in a hook', 12, misses.requests / sdk.requests),
    atLeast("as it is run: the SDK's p99 latency, against that of misses", 8, sdk.p99 / misses.p99),
    atMost("as it is run: p99 latency, warm cache, against bare's", 1.2, cached.p99 / bare.p99)
  ]
}

function busyPdpTargets (pairs: readonly BusyPdpPair[]): Target[] {
  const ratios = pairs.map(({ own, sdk }) => own.requests / sdk.requests)
  return [
    atLeast('a PDP that takes 2 ms for a check: requests/s against the SDK in a hook', 1.5, median(ratios)),
    atLeast('the same, in the worst of the rounds', 1, Math.min(...ratios)),
    atMost("the same: p99 latency, against the SDK's", 0.5, median(pairs.map(({ own, sdk }) => own.p99 / sdk.p99)))
  ]
}

/** OpenFGA itself is the bottleneck of what is not in the cache. */
function openfgaTargets (rows: readonly OpenfgaRow[]): Target[] {
  if (rows.length === 0) return []
  const [misses, again] = [besideSdk(rows, false), besideSdk(rows, true)]
  return [
    atLeast('a real OpenFGA, no question twice: requests/s against its SDK in a hook', 1.2, misses.ratio),
    atLeast('the same, in the worst of the rounds', 1, misses.worst),
    atMost('the same: processor time of the app for a request', 0.5, misses.cpuRatio),
    atLeast('a real OpenFGA, 1,000 questions again and again: requests/s against its SDK in a hook', 5, again.ratio)
  ]
}

function listsTargets (found: ListsResult): Target[] {
  const { microseconds, growth } = slowestPlan(found)
  return [
    atMost('a page of 20 of 1,000,000 rows by a plan, against the same page by hand', 1.2, slowestPage(found)),
    atMost('µs for a plan, RBAC and ABAC', 20, microseconds),
    atMost('the same with the most facts, against 1,000', 1.25, growth),
    atMost('µs of a plan for each instance that the user reaches, ReBAC', 5, perInstance(found))
  ]
}

function startTargets (found: StartResult): Target[] {
  const beyond = (name: string) => startRow(found, name).wallRatio - 1
  return [
    atMost('time to the first answer beyond that of Fastify alone, a policy as an object', 0.5, beyond('with a policy as an object')),
    atMost('the same, with a PDP', 0.9, beyond('with a PDP')),
    atMost('MB of resident memory beyond Fastify alone, with a PDP', 15, startRow(found, 'with a PDP').memoryBeyond ?? NaN),
    atMost('MB on the disk beside Fastify', 14.5, found.installed),
    atMost('kB of the packed package', 350, found.packed),
    atMost('fastify-permit --version against node -e 0', 1.5, startRow(found, 'fastify-permit --version').wallRatio),
    atMost('fastify-permit check against node -e 0', 2.5, startRow(found, 'fastify-permit check, a policy in JSON').wallRatio)
  ]
}

async function measureLoads (quick: boolean): Promise<{ loading: LoadingRow[], reload: ReloadRow }> {
  progress('Loading policies')
  const sizes = quick ? { JSON: [20_000, 200_000], YAML: [20_000] } : { JSON: [20_000, 200_000, 1_000_000], YAML: [20_000, 50_000] }
  return { loading: await measureLoading(sizes, 3, progress), reload: await measureReload(200_000, 3, progress) }
}

function loadingTargets (rows: readonly LoadingRow[], { longestTurn }: ReloadRow): Target[] {
  const json = rows.find(({ format, users }) => format === 'JSON' && users === 200_000)!
  const yaml = rows.filter(({ format }) => format === 'YAML').at(-1)!
  return [
    atMost('loading 200,000 users in JSON, beyond 1 s: against JSON.parse', 2, Math.max(0, json.load - 1_000) / json.parse),
    atMost('memory at the most while 200,000 users are loaded, against the heap that they need afterwards', 3, json.peak / json.resting),
    atMost('loading users in YAML, against the parser of the package yaml', 1.3, yaml.ratio),
    atMost('ms of the longest turn of the event loop while 200,000 users are reloaded', 50, longestTurn)
  ]
}

function read (file: string): Results {
  return JSON.parse(readFileSync(file, 'utf8')) as Results
}

function versions (names: readonly string[]): Record<string, string> {
  const require = createRequire(import.meta.url)
  return Object.fromEntries(names.map(name => {
    for (const folder of require.resolve.paths(name) ?? []) {
      try {
        return [name, (JSON.parse(readFileSync(`${folder}/${name}/package.json`, 'utf8')) as { version: string }).version]
      } catch {}
    }
    return [name, 'unknown']
  }))
}
