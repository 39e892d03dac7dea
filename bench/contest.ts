// Decisions per second without HTTP: engines in turns, each in a process of its own.
import { once } from 'node:events'
import { median } from './http.js'
import { start, stop } from './processes.js'

export interface DecisionRow { name: string, perSecond: number, ratio: number }

const CONTESTANTS = ['fastify-permit, embedded', 'casbin', '@cedar-policy/cedar-wasm', '@casl/ability']

/** Each is asked the same questions, and its answers are checked before anything is timed. The ratio is against the first. */
export async function measureDecisions (rounds: number, milliseconds: number, progress: (text: string) => void): Promise<DecisionRow[]> {
  const running = []
  for (const name of CONTESTANTS) {
    // Node 20's compiler ends the process now and then when it inlines calls into WebAssembly; Cedar is one.
    const { child } = await start('./decisions.js', [name], ['--no-turbo-inline-js-wasm-calls'])
    running.push({ name, child, rates: [] as number[] })
  }
  for (let round = 0; round < rounds; round++) {
    for (const { name, child, rates } of running) {
      child.send(milliseconds)
      const [rate] = await once(child, 'message') as [number]
      rates.push(rate)
      progress(`round ${round + 1} of ${rounds}: ${name}: ${Math.round(rate)} decisions/s`)
    }
  }
  for (const { child } of running) stop(child)
  const base = running[0]!.rates
  return running.map(({ name, rates }) => ({ name, perSecond: median(rates), ratio: median(rates.map((own, round) => own / base[round]!)) }))
}
