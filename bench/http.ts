// Requests per second, latency and processor time of a guarded route, against the same route bare and guarded by what people use today.
import { once } from 'node:events'
import type { ChildProcess } from 'node:child_process'
import { loadGenerator, pin, start, stop, type Load } from './processes.js'

export interface Row {
  name: string
  requests: number
  /** Requests per second against those of the first row. */
  ratio: number
  p50: number
  p99: number
  /** Processor time of the server for a request, µs. */
  cpu: number
  /** What `cpu` is beyond that of the first row, µs. */
  extra: number
}

export interface HttpOptions {
  /** The first is the one that the others are compared with. */
  variants: readonly string[]
  /** How often all is started anew: two processes of the same code differ by some percent, for as long as they live. */
  starts?: number
  /** Rounds with each start. */
  rounds: number
  seconds: number
  connections?: number
  latency?: number
  setting?: object
}

/**
 * The server has a processor for itself; the load and the PDP share the other, of which they need less. Left to the system, what is compared is which
 * processor, of two that differ, a process happened to be put on, and with whom.
 */
export const SERVER_PROCESSOR = 1
export const OTHERS_PROCESSOR = 0

/** On one processor the threads that help the garbage collector only stand in its way, now more and now less: several microseconds a request. */
export const SERVER_FLAGS = ['--single-threaded-gc']

/** Seconds of load before a server is measured for the first time, and each time after it has been idle. */
const WARM_UP = 1.5
const WAKE_UP = 0.3

type Measured = Load & { cpu: number }

interface Pair { readonly base: Measured, readonly own: Measured }

/**
 * Measures each variant beside the first one: the two in turns, there and back, and no other server meanwhile, since a process that is idle for long loses
 * its place in the caches, and its pages. What is told is the medians of the rounds, and the medians of the ratios and differences round by round.
 */
export async function measureHttp (options: HttpOptions, progress: (text: string) => void): Promise<Row[]> {
  const [first = '', ...others] = options.variants
  const rows: Row[] = []
  const bases: Measured[] = []
  for (const name of others) {
    const pairs: Pair[] = []
    for (let start = 0; start < (options.starts ?? 1); start++) {
      pairs.push(...await measurePairs([first, name], options, text => progress(`${name}, start ${start + 1} of ${options.starts ?? 1}, ${text}`)))
    }
    bases.push(...pairs.map(({ base }) => base))
    rows.push(rowOf(name, pairs))
  }
  return [rowOf(first, bases.map(base => ({ base, own: base }))), ...rows]
}

async function measurePairs (variants: readonly [string, string], { rounds, seconds, connections = 64, latency = 0, setting = {} }: HttpOptions, progress: (text: string) => void): Promise<Pair[]> {
  const load = await loadGenerator()
  await load.pin(OTHERS_PROCESSOR)
  const pdp = await start<{ port: number }>('./pdp.js', [String(latency)])
  await pin(pdp.child, OTHERS_PROCESSOR)
  const open = async (variant: string) => {
    const { child, hello: { port } } = await start<{ port: number }>('./server.js', [variant, `http://127.0.0.1:${pdp.hello.port}`, JSON.stringify(setting)], SERVER_FLAGS)
    await pin(child, SERVER_PROCESSOR)
    await load.run(port, connections, WARM_UP)
    return { variant, child, port }
  }
  const measure = async ({ variant, child, port }: Awaited<ReturnType<typeof open>>): Promise<Measured> => {
    await load.run(port, connections, WAKE_UP)
    const before = await processorTime(child)
    const result = await load.run(port, connections, seconds)
    const cpu = (await processorTime(child) - before) / result.total
    if (result.wrong > 0) throw new Error(`${variant}: ${result.wrong} answers were not 200`)
    progress(`${variant}: ${Math.round(result.requests)} requests/s, ${cpu.toFixed(1)} µs`)
    return { ...result, cpu }
  }

  const first = await open(variants[0])
  const second = await open(variants[1])
  const pairs: Pair[] = []
  for (let round = 0; round < rounds; round++) {
    if (round % 2 === 0) {
      const base = await measure(first)
      pairs.push({ base, own: await measure(second) })
    } else {
      const own = await measure(second)
      pairs.push({ own, base: await measure(first) })
    }
  }
  for (const { child } of [first, second, pdp]) stop(child)
  load.stop()
  return pairs
}

function rowOf (name: string, pairs: readonly Pair[]): Row {
  const of = (figure: (pair: Pair) => number) => median(pairs.map(figure))
  return {
    name,
    requests: of(({ own }) => own.requests),
    ratio: of(({ own, base }) => own.requests / base.requests),
    p50: of(({ own }) => own.p50),
    p99: of(({ own }) => own.p99),
    cpu: of(({ own }) => own.cpu),
    extra: of(({ own, base }) => own.cpu - base.cpu)
  }
}

async function processorTime (child: ChildProcess): Promise<number> {
  child.send('processor time')
  const [time] = await once(child, 'message') as [number]
  return time
}

export function median (values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
