// The figures of a run in the pages that show them, so that none is copied by hand. A page says where a section is:
// <!-- bench: NAME --> … <!-- bench: end -->
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Row } from './http.js'
import type { Results } from './run.js'

/** The pages that have sections, from the root of the repository. */
export const PAGES = ['README.md', 'docs/speed.md', 'docs/hot-path.md']

/** The text of each section. Undefined when the results have no figures for it: the page keeps what it says. */
export const SECTIONS: Readonly<Record<string, (results: Results) => string | undefined>> = {
  summary, run, http, targets, engine, misses, 'as it is': asItIs, start, loading, guards, deopts, profile, growth, connections
}

/** Writes the figures into the pages. */
export function writePages (results: Results): void {
  for (const page of PAGES) {
    const path = fileURLToPath(new URL(`../../${page}`, import.meta.url))
    writeFileSync(path, withFigures(readFileSync(path, 'utf8'), results))
  }
}

/** @throws when a page has a section that nobody writes */
export function withFigures (page: string, results: Results): string {
  return page.replace(/(<!-- bench: (?!end\b)([\w ]+?) -->\n)([^]*?)(<!-- bench: end -->)/g, (_, begin: string, name: string, before: string, end: string) => {
    const write = SECTIONS[name]
    if (write === undefined) throw new Error(`there is no section "${name}"`)
    const text = write(results)
    return `${begin}${text === undefined ? before : `${text}\n`}${end}`
  })
}

const WORDS: Readonly<Record<string, string>> = {
  bare: 'nothing',
  'permit: warm cache': 'fastify-permit, decisions in the cache',
  'permit: warm cache, many users': 'the same, 1,000 users in turn',
  'permit: embedded': 'fastify-permit, embedded PDP, no cache',
  'permit: no cache': 'fastify-permit, a PDP over HTTP, every decision a miss',
  'undici pool in a hook, a batch for each turn': 'the floor: a hook that batches by `undici` and does nothing else',
  'undici pool in a hook': 'a hook with an `undici` pool, a request for each check',
  'permitio SDK in a hook': "a hook with Permit's SDK, what people do today",
  'fastify-guard (roles in the request)': 'fastify-guard, roles that are in the request already',
  '@casl/ability (one ability for a user)': '@casl/ability, one ability for each user, in memory',
  'casbin (fastify-casbin-rest)': 'fastify-casbin-rest, 1,000 users'
}

/** The order of the rows: what protects the route, from the fastest kind to the slowest. */
const ORDER = Object.keys(WORDS)

function summary ({ http, loading }: Results): string {
  const [cached, misses, sdk] = [rowIn(http, 'permit: warm cache'), rowIn(http, 'permit: no cache'), rowIn(http, 'permitio SDK in a hook')]
  return `A guarded route whose decision is in the cache serves ${cached.ratio.toFixed(2)} of the requests of a bare one. With a question to the PDP for every decision ` +
    `it serves ${misses.ratio.toFixed(2)}\nof them, ${Math.round(misses.ratio / sdk.ratio)} times as many as a hook with Permit's SDK.${loading === undefined ? ` ${EARLIER}` : ''}`
}

/** What is said of results that lack parts which every complete run has. */
const EARLIER = 'These figures are of a run before the last changes.'

function run ({ date, machine, loading }: Results): string {
  return `This run: ${date}, ${machine.cores} cores, Node ${machine.node}.${loading === undefined ? ` ${EARLIER}` : ''}`
}

function http ({ http }: Results): string {
  const rows = ORDER.flatMap(name => http.filter(row => row.name === name))
  return table(['One route, guarded by', 'Requests/s', 'Against bare', 'p99, ms', 'Processor time beyond bare, µs'], rows.map(row => [
    WORDS[row.name] ?? row.name, count(row.requests), ratioText(row.ratio), row.p99.toFixed(1), row.name === 'bare' ? '–' : row.extra.toFixed(1)
  ]))
}

function targets ({ targets }: Results): string {
  return table(['', 'Wanted', 'Measured', ''], targets.map(({ what, wanted, measured, met }) => [
    what, wanted.replace(/\d{4,}/, digits => count(Number(digits))), measured >= 1_000 ? count(measured) : String(Number(measured.toPrecision(3))), met ? 'met' : '**missed**'
  ]))
}

function engine ({ decisions, guards }: Results): string {
  const rate = (name: string) => decisions.find(row => row.name === name)!.perSecond
  const hit = guards.find(({ name }) => name === 'hit: one user, constant resource')!
  return `In one process, without HTTP, the embedded PDP makes ${(rate('fastify-permit, embedded') / 1e6).toFixed(1)} million RBAC decisions per second (500 permissions, 1,000 users); ` +
    `casbin ${count(rate('casbin'))}, Cedar ${count(rate('@cedar-policy/cedar-wasm'))}.\nA guard whose decision is in the cache takes ${Math.round(hit.nanoseconds)} ns.`
}

function misses ({ http }: Results): string {
  const [bare, own, floor, single, sdk] = ['bare', 'permit: no cache', 'undici pool in a hook, a batch for each turn', 'undici pool in a hook', 'permitio SDK in a hook'].map(name => rowIn(http, name)) as [Row, Row, Row, Row, Row]
  return `Of the bare route's requests, a miss reaches ${own.ratio.toFixed(2)}, and the floor ${floor.ratio.toFixed(2)}: a hook that does nothing but to ask in batches, without a deadline, a bound,\n` +
    `an answer that is shared, or a look at the answer. A miss has ${(own.requests / floor.requests).toFixed(2)} of the floor's requests. Processor time for each request beyond the bare route's ` +
    `${bare.cpu.toFixed(1)} µs:\n${own.extra.toFixed(1)}, of the floor ${floor.extra.toFixed(1)}. One request for each check costs ${single.extra.toFixed(1)}, Permit's SDK ${sdk.extra.toFixed(1)}.`
}

function asItIs ({ asItIs }: Results): string | undefined {
  if (asItIs === undefined) return undefined
  return table(['One route, guarded by', 'Requests/s', 'Against bare', 'p99, ms', 'p99 against bare', 'Processor time, µs'], asItIs.map(row => [
    WORDS[row.name] ?? row.name, count(row.requests), ratioText(row.ratio), String(row.p99), row.p99Ratio.toFixed(2), row.cpu.toFixed(1)
  ]))
}

function start ({ start, machine }: Results): string | undefined {
  if (start === undefined) return undefined
  const { rows, installed, parts, packed } = start
  const lines = rows.map(({ name, base, wall, wallRatio, memoryBeyond }) => [
    name, `${Math.round(wall)} ms`, name === base ? '' : base, name === base ? '' : `${(wallRatio - 1).toFixed(2)} x`,
    name === base || memoryBeyond === undefined ? '' : `${memoryBeyond.toFixed(1)} MB`
  ])
  const sizes = Object.entries(parts).slice(0, 5).map(([name, size]) => `${name === 'fastify-permit' ? 'itself' : name} ${size.toFixed(1)}`).join(', ')
  return `${table(['', 'Time', 'Against', 'Adds', 'Memory beyond it'], lines)}\n\nMedians, ${machine.cores} cores, Node ${machine.node}. Beside Fastify the package installs ${installed.toFixed(1)} MB: ${sizes}.\n` +
    `Packed it has ${Math.round(packed)} kB.`
}

function loading ({ loading, reload }: Results): string | undefined {
  if (loading === undefined || reload === undefined) return undefined
  const rows = loading.map(({ format, users, size, parse, load, ratio, peak, resting }) => [
    format, count(users), size.toFixed(1), count(parse), count(load), ratio.toFixed(2), count(peak), count(resting)
  ])
  return `${table(['Format', 'Users', 'File, MB', 'Parser alone, ms', 'Load, ms', 'Against the parser', 'Most memory, MB', 'Heap afterwards, MB'], rows)}\n\n` +
    `While a file of ${count(reload.users)} users is reloaded, the longest turn of the event loop takes ${reload.longestTurn.toFixed(1)} ms, and ${reload.longestIdleTurn.toFixed(1)} ms when nothing is loaded.`
}

function guards ({ guards }: Results): string {
  return table(['A guard by itself, called again and again', 'ns a call'], guards.map(({ name, nanoseconds }) => [name.replace(/^embedded/, 'embedded PDP'), count(nanoseconds)]))
}

function deopts ({ deopts }: Results): string | undefined {
  if (deopts === undefined) return undefined
  return table(['Case', '1 million calls', '8 million calls'], deopts.map(({ name, few, many }) => [name.replace(/^embedded/, 'embedded PDP'), String(few), String(many)]))
}

function profile ({ profile }: Results): string | undefined {
  if (profile === undefined) return undefined
  const names = Object.keys(profile)
  const owners = [...new Set(names.flatMap(name => profile[name]!.map(({ what }) => what)))]
  const share = (name: string, owner: string) => profile[name]!.find(({ what }) => what === owner)?.share ?? 0
  const rows = owners
    .filter(owner => names.some(name => share(name, owner) >= 0.01))
    .sort((a, b) => share(names[0]!, b) - share(names[0]!, a))
    .map(owner => [owner, ...names.map(name => share(name, owner) < 0.005 ? '–' : `${Math.round(share(name, owner) * 100)} %`)])
  return table(['', ...names.map(name => WORDS[name] ?? name)], rows)
}

function growth ({ curves }: Results): string | undefined {
  const { connections, 'PDP latency': latency, 'share of hits': hits } = curves
  if (connections === undefined || latency === undefined || hits === undefined) return undefined
  const ratio = (rows: readonly Row[] | undefined, name: string) => ratioText(rowIn(rows ?? [], name).ratio)
  return table(["Of the bare route's requests, 64 connections", ''], [
    ...['5 ms', '50 ms'].map(time => [
      `every decision a miss, a PDP that takes ${time} (an \`undici\` pool, a request for each check: ${ratio(latency[time], 'undici pool in a hook')})`, ratio(latency[time], 'permit: no cache')
    ]),
    ...Object.entries(hits).filter(([share]) => share !== '0 %').map(([share, rows]) => [`${share} of the decisions in the cache`, ratio(rows, 'permit: some hits')])
  ])
}

function connections ({ curves: { connections } }: Results): string | undefined {
  if (connections === undefined) return undefined
  const floor = 'undici pool in a hook, a batch for each turn'
  return table(['Connections', 'Warm cache, against bare', 'Every decision a miss', 'The floor', 'Misses against the floor'], Object.entries(connections).map(([number, rows]) => {
    const misses = rowIn(rows, 'permit: no cache')
    const least = rows.find(({ name }) => name === floor)
    return [
      count(Number(number)), ratioText(rowIn(rows, 'permit: warm cache').ratio), ratioText(misses.ratio),
      least === undefined ? '–' : ratioText(least.ratio), least === undefined ? '–' : ratioText(misses.ratio / least.ratio)
    ]
  }))
}

function rowIn (rows: readonly Row[], name: string): Row {
  const row = rows.find(row => row.name === name)
  if (row === undefined) throw new Error(`nothing was measured for ${name}`)
  return row
}

function table (head: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  // Figures are read against each other when they end in one column.
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`.replaceAll('|  |', '| |')
  return [line(head), line(head.map((_, index) => index === 0 ? '---' : '---:')), ...rows.map(line)].join('\n')
}

function count (value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

/** Two digits, and three where two would say little. */
function ratioText (value: number): string {
  return value.toFixed(value < 0.1 ? 3 : 2)
}
