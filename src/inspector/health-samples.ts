// The counters of the last ten minutes, for the charts. A sample is one call of `stats()` every five seconds: a few microseconds, whether
// a browser looks or not.
import type { DecisionPointStats } from '../contract/point.js'
import type { InspectorSample } from './inspector-row.js'

/** The time between two samples, ms, and how many are kept. */
const INTERVAL = 5_000
const MAX_SAMPLES = 121

/** The samples of one inspector. */
export class HealthSamples {
  readonly #stats: () => DecisionPointStats
  readonly #samples: InspectorSample[] = []
  readonly #timer: NodeJS.Timeout

  constructor (stats: () => DecisionPointStats) {
    this.#stats = stats
    // The process may end.
    this.#timer = setInterval(() => this.#keep(), INTERVAL).unref()
    this.#keep()
  }

  /** Those of the last ten minutes and of this moment, the oldest first. */
  taken (): readonly InspectorSample[] {
    return [...this.#samples, this.#sample()]
  }

  close (): void {
    clearInterval(this.#timer)
  }

  #keep (): void {
    this.#samples.push(this.#sample())
    if (this.#samples.length > MAX_SAMPLES) this.#samples.shift()
  }

  #sample (): InspectorSample {
    const { checks, cache, batches, pdp, bus } = this.#stats()
    return { time: Date.now(), checks, cache, batches, replicas: pdp?.replicas, bus }
  }
}
