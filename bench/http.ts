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
const SERVER_PROCESSOR = 1
const OTHERS_PROCESSOR = 0

type Measured = Load & { cpu: number }

/**
 * Measures variants in turns, there and back, so that a machine that changes its pace changes it for all. The first
 * variant is the one that the others are compared with; medians of the rounds, and the median of the ratios round by round.
 */
export async function measureHttp ({ variants, starts = 1, rounds, seconds, connections = 64, latency = 0, setting = {} }: HttpOptions, progress: (text: string) => void): Promise<Row[]> {
  const results = new Map<string, Measured[]>(variants.map(variant => [variant, []]))
  for (let turn = 0; turn < starts; turn++) {
    const load = await loadGenerator()
    await load.pin(OTHERS_PROCESSOR)
    const pdp = await start<{ port: number }>('./pdp.js', [String(latency)])
    await pin(pdp.child, OTHERS_PROCESSOR)
    const servers = new Map<string, { port: number, child: ChildProcess }>()
    for (const variant of variants) {
      const { child, hello } = await start<{ port: number }>('./server.js', [variant, `http://127.0.0.1:${pdp.hello.port}`, JSON.stringify(setting)])
      await pin(child, SERVER_PROCESSOR)
      servers.set(variant, { port: hello.port, child })
    }
    for (let round = -1; round < rounds; round++) {
      for (const variant of round % 2 === 0 ? variants : variants.toReversed()) {
        const { port, child } = servers.get(variant)!
        const before = await processorTime(child)
        const result = await load.run(port, connections, round === -1 ? 1.5 : seconds)
        const cpu = (await processorTime(child) - before) / result.total
        if (result.wrong > 0) throw new Error(`${variant}: ${result.wrong} answers were not 200`)
        if (round >= 0) results.get(variant)!.push({ ...result, cpu })
        progress(`${turn + 1} of ${starts}, ${round === -1 ? 'warming up' : `round ${round + 1} of ${rounds}`}: ${variant}: ${Math.round(result.requests)} requests/s, ${cpu.toFixed(1)} µs`)
      }
    }
    for (const { child } of servers.values()) stop(child)
    stop(pdp.child)
    load.stop()
  }

  const base = results.get(variants[0]!)!
  return variants.map(name => {
    const own = results.get(name)!
    return {
      name,
      requests: median(own.map(result => result.requests)),
      ratio: median(own.map((result, round) => result.requests / base[round]!.requests)),
      p50: median(own.map(result => result.p50)),
      p99: median(own.map(result => result.p99)),
      cpu: median(own.map(result => result.cpu)),
      extra: median(own.map((result, round) => result.cpu - base[round]!.cpu))
    }
  })
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
