// Requests per second and latency of a guarded route, against the same route bare and guarded by what people use today.
import { loadGenerator, start, stop, type Load } from './processes.js'

export interface Row { name: string, requests: number, ratio: number, p50: number, p99: number }

export interface HttpOptions { variants: readonly string[], rounds: number, seconds: number, connections?: number, latency?: number, setting?: object }

/**
 * Measures variants in turns, so that a machine that changes its pace changes it for all. The first variant is the one
 * that the others are compared with; medians of the rounds, and the median of the ratios round by round.
 */
export async function measureHttp ({ variants, rounds, seconds, connections = 64, latency = 0, setting = {} }: HttpOptions, progress: (text: string) => void): Promise<Row[]> {
  const load = await loadGenerator()
  const pdp = await start<{ port: number }>('./pdp.js', [String(latency)])
  const servers = new Map<string, { port: number, stop: () => void }>()
  for (const variant of variants) {
    const { child, hello } = await start<{ port: number }>('./server.js', [variant, `http://127.0.0.1:${pdp.hello.port}`, JSON.stringify(setting)])
    servers.set(variant, { port: hello.port, stop: () => stop(child) })
  }
  const results = new Map<string, Load[]>(variants.map(variant => [variant, []]))
  for (let round = -1; round < rounds; round++) {
    for (const variant of variants) {
      const result = await load(servers.get(variant)!.port, connections, round === -1 ? 1 : seconds)
      if (result.wrong > 0) throw new Error(`${variant}: ${result.wrong} answers were not 200`)
      if (round >= 0) results.get(variant)!.push(result)
      progress(`${round === -1 ? 'warming up' : `round ${round + 1} of ${rounds}`}: ${variant}: ${Math.round(result.requests)} requests/s`)
    }
  }
  for (const server of servers.values()) server.stop()
  stop(pdp.child)

  const base = results.get(variants[0]!)!
  return variants.map(name => {
    const own = results.get(name)!
    return {
      name,
      requests: median(own.map(result => result.requests)),
      ratio: median(own.map((result, round) => result.requests / base[round]!.requests)),
      p50: median(own.map(result => result.p50)),
      p99: median(own.map(result => result.p99))
    }
  })
}

export function median (values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
