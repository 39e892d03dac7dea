// The same routes as a stranger would measure them: no flags for V8, no pinning, a public load generator, and fresh processes for each figure.
import { execFile, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { promisify } from 'node:util'
import { median } from './http.js'
import { start, stop } from './processes.js'

const run = promisify(execFile)
const AUTOCANNON = createRequire(import.meta.url).resolve('autocannon')

export interface AsItIsRow {
  name: string
  requests: number
  /** Milliseconds in which 99 of 100 requests were answered. */
  p99: number
  /** Processor time of the server for a request, µs. */
  cpu: number
  /** Medians of the rounds, against the bare route of the same round. */
  ratio: number
  p99Ratio: number
}

export const BARE = 'bare'
export const CACHED = 'permit: warm cache'
export const MISSES = 'permit: no cache'
export const FLOOR = 'undici pool in a hook, a batch for each turn'
export const SDK = 'permitio SDK in a hook'
const VARIANTS = [BARE, CACHED, MISSES, FLOOR, SDK]

const CONNECTIONS = 64
const WARM_UP = 2

export type Measured = Pick<AsItIsRow, 'requests' | 'p99' | 'cpu'>

/** Measures each variant once a round, in turns. */
export async function measureAsItIs (rounds: number, seconds: number, progress: (text: string) => void): Promise<AsItIsRow[]> {
  const found = new Map<string, Measured[]>(VARIANTS.map(name => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (const name of round % 2 === 0 ? VARIANTS : VARIANTS.toReversed()) {
      const measured = await measure(name, seconds)
      found.get(name)!.push(measured)
      progress(`as it is run, round ${round + 1} of ${rounds}: ${name}: ${Math.round(measured.requests)} requests/s, p99 ${measured.p99} ms`)
    }
  }
  const bare = found.get(BARE)!
  return VARIANTS.map(name => {
    const own = found.get(name)!
    const of = (figure: (own: Measured, bare: Measured) => number) => median(own.map((one, round) => figure(one, bare[round]!)))
    return {
      name,
      requests: of(({ requests }) => requests),
      p99: of(({ p99 }) => p99),
      cpu: of(({ cpu }) => cpu),
      ratio: of((one, bare) => one.requests / bare.requests),
      p99Ratio: of((one, bare) => one.p99 / bare.p99)
    }
  })
}

/** A round against a PDP that is the bottleneck: both, one after the other. */
export interface BusyPdpPair { readonly own: Measured, readonly sdk: Measured }

/** Misses and the SDK in a hook against a PDP that takes 2 ms of processor time for each check, in turns. */
export async function measureBusyPdp (rounds: number, seconds: number, progress: (text: string) => void): Promise<BusyPdpPair[]> {
  const at = { pdp: './busy-pdp.js', connections: 50 }
  const pairs: BusyPdpPair[] = []
  for (let round = 0; round < rounds; round++) {
    const [first, second] = round % 2 === 0 ? [MISSES, SDK] : [SDK, MISSES]
    const both = { [first]: await measure(first, seconds, at), [second]: await measure(second, seconds, at) }
    const pair = { own: both[MISSES]!, sdk: both[SDK]! }
    pairs.push(pair)
    const { own, sdk } = pair
    progress(`a busy PDP, round ${round + 1} of ${rounds}: ${Math.round(own.requests)} requests/s, p99 ${own.p99} ms; SDK ${Math.round(sdk.requests)}, ${sdk.p99} ms`)
  }
  return pairs
}

export function busyPdpTable (pairs: readonly BusyPdpPair[]): void {
  console.table(pairs.map(({ own, sdk }) => ({
    'requests/s': Math.round(own.requests),
    'p99 ms': own.p99,
    'SDK in a hook': Math.round(sdk.requests),
    'its p99 ms': sdk.p99,
    'against it': Number((own.requests / sdk.requests).toFixed(2)),
    'p99 against it': Number((own.p99 / sdk.p99).toFixed(2))
  })))
}

export function asItIsTable (rows: readonly AsItIsRow[]): void {
  console.table(rows.map(({ name, requests, ratio, p99, p99Ratio, cpu }) => ({
    name,
    'requests/s': Math.round(requests),
    'against bare': Number(ratio.toFixed(3)),
    'p99 ms': p99,
    'p99 against bare': Number(p99Ratio.toFixed(2)),
    'processor µs': Number(cpu.toFixed(1))
  })))
}

/** The row of a name. */
export function asItIsRow (rows: readonly AsItIsRow[], name: string): AsItIsRow {
  return rows.find(row => row.name === name)!
}

async function measure (variant: string, seconds: number, { pdp: file = './pdp.js', connections = CONNECTIONS } = {}): Promise<Measured> {
  const pdp = await start<{ port: number }>(file)
  const server = await start<{ port: number }>('./server.js', [variant, `http://127.0.0.1:${pdp.hello.port}`])
  try {
    await load(server.hello.port, WARM_UP, connections)
    const before = await processorTime(server.child)
    const { requests, p99, total } = await load(server.hello.port, seconds, connections)
    return { requests, p99, cpu: (await processorTime(server.child) - before) / total }
  } finally {
    stop(server.child)
    stop(pdp.child)
  }
}

/** By autocannon. */
export async function load (port: number, seconds: number, connections: number): Promise<{ requests: number, p99: number, total: number }> {
  const args = [AUTOCANNON, '--json', '--no-progress', '-c', String(connections), '-d', String(seconds), `http://127.0.0.1:${port}/`]
  const { stdout } = await run(process.execPath, args)
  const { requests, latency, non2xx, errors } = JSON.parse(stdout) as {
    requests: { average: number, total: number }, latency: { p99: number }, non2xx: number, errors: number
  }
  if (non2xx > 0 || errors > 0) throw new Error(`${non2xx} answers were not 200, and ${errors} requests failed`)
  return { requests: requests.average, p99: latency.p99, total: requests.total }
}

/** That a process has had, µs. */
export async function processorTime (child: ChildProcess): Promise<number> {
  child.send('processor time')
  const [time] = await once(child, 'message') as [number]
  return time
}
