// How many probes one PDP that is down gets from many instances: real breakers, with their real timers, whose probes are counted in place of being sent.
import { PdpError } from '../../src/contract/errors.js'
import { Breaker } from '../../src/pdp/http/breaker.js'
import { firstSuccess } from '../../src/pdp/http/breaker-probe.js'

export interface Probes {
  /** In the first second, per second after that, and the most in 0.1 s after that. */
  readonly first: number
  readonly perSecond: number
  readonly most: number
  /** From the PDP's return until the last breaker is closed, ms. */
  readonly closed: number
}

/** How long a probe may take, and the pause between probes that are in flight, ms: those of `breaker-probe.ts`. */
const TIMEOUT = 1_000
const EVERY = 400

const SECONDS = 5

/** @param hangs - whether the PDP takes connections and does not answer; otherwise it refuses them */
export async function probesOf (instances: number, halfOpenAfter: number, hangs: boolean): Promise<Probes> {
  let isUp = false
  let sent = 0
  const send = async (timeout: number): Promise<PdpError | undefined> => {
    sent++
    if (!isUp && hangs) await new Promise(resolve => setTimeout(resolve, timeout))
    else await undefined
    return isUp ? undefined : new PdpError('network', 'down')
  }
  const breakers = Array.from({ length: instances }, () => new Breaker({ failures: 1, halfOpenAfter },
    suspected => firstSuccess(send, suspected ? EVERY : TIMEOUT, EVERY), () => {}))
  for (const breaker of breakers) breaker.failure(breaker.era)
  const tenths: number[] = []
  let before = 0
  for (let tenth = 0; tenth < SECONDS * 10; tenth++) {
    await new Promise(resolve => setTimeout(resolve, 100))
    tenths.push(sent - before)
    before = sent
  }
  const [first, later] = [tenths.slice(0, 10), tenths.slice(10)]
  const sum = (list: readonly number[]) => list.reduce((total, count) => total + count, 0)
  isUp = true
  const returned = performance.now()
  while (!breakers.every(({ usable }) => usable)) await new Promise(resolve => setTimeout(resolve, 5))
  for (const breaker of breakers) breaker.close()
  return { first: sum(first), perSecond: sum(later) / (SECONDS - 1), most: Math.max(...later), closed: performance.now() - returned }
}
