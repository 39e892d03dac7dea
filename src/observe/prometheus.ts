// The option `metrics`: Prometheus metrics through prom-client, counted as checks end and read from the counters that are there anyway.
import type * as PromClient from 'prom-client'
import type { CheckObserver } from './observation.js'
import type { DecisionPointStats, BreakerState } from '../contract/point.js'
import { BATCH_SIZES, type MetricsOptions } from './telemetry-options.js'

type Client = Pick<typeof PromClient, 'Counter' | 'Histogram' | 'Gauge' | 'register'>

/** Seconds: from a decision that is at hand to one that a deadline ends. */
const BUCKETS = [0.000_01, 0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]

type Read = () => DecisionPointStats

/** What the registrations of the plugin that share a registry have counted. */
interface Readings {
  /** Those that are open. */
  readonly open: Set<Read>
  /** By the names of the counters: what those had counted that have closed. A counter never falls while the process lives. */
  readonly closed: Map<string, number>
}

const sources = new WeakMap<PromClient.Registry, Map<string, Readings>>()

export interface Metrics {
  readonly observer: CheckObserver
  /** Begins to read counters. */
  read (stats: Read): void
  /** Stops reading them: the plugin closes. */
  close (): void
}

/** Metrics in a registry. Several registrations of the plugin share them: counters add up. */
export function prometheus (client: Client, options: MetricsOptions): Metrics {
  const { prefix = 'fastify_permit_' } = options
  const register = (options.register ?? client.register) as PromClient.Registry
  const registers = [register]
  const checks = existing<PromClient.Counter>(register, `${prefix}checks_total`) ?? new client.Counter({
    name: `${prefix}checks_total`, help: 'Checks by result (allow, deny, error) and by where the answer came from.', labelNames: ['result', 'source'], registers
  })
  const duration = existing<PromClient.Histogram>(register, `${prefix}check_duration_seconds`) ?? new client.Histogram({
    name: `${prefix}check_duration_seconds`, help: 'How long checks took, by where the answer came from.', labelNames: ['source'], buckets: BUCKETS, registers
  })
  const batchSize = existing<PromClient.Histogram>(register, `${prefix}batch_size`) ?? new client.Histogram({
    name: `${prefix}batch_size`, help: 'Checks that left for the PDP together.', buckets: [...BATCH_SIZES], registers
  })
  const { open, closed } = readingsOf(client, register, prefix)
  let stats: Read | undefined

  return {
    observer: {
      ended (_query, outcome) {
        const source = outcome.source ?? 'none'
        checks.inc({ result: outcome.decision === undefined ? 'error' : outcome.decision.allow === true ? 'allow' : 'deny', source })
        duration.observe({ source }, outcome.duration / 1000)
      },
      sent (checks) {
        batchSize.observe(checks)
      }
    },
    read (read) {
      stats = read
      open.add(read)
    },
    close () {
      if (stats === undefined || !open.delete(stats)) return
      const last = stats()
      for (const [name, , pick] of COUNTERS) closed.set(name, (closed.get(name) ?? 0) + (pick(last) ?? 0))
    }
  }
}

function existing<T> (register: PromClient.Registry, name: string): T | undefined {
  return register.getSingleMetric(name) as T | undefined
}

/** Metrics whose values are looked up when somebody asks for them. */
function readingsOf (client: Client, register: PromClient.Registry, prefix: string): Readings {
  let ofRegistry = sources.get(register)
  if (ofRegistry === undefined) sources.set(register, ofRegistry = new Map())
  const known = ofRegistry.get(prefix)
  // Whoever clears a registry has taken its metrics away, and not what they read.
  if (known !== undefined && existing(register, `${prefix}cache_entries`) !== undefined) return known
  const readings: Readings = known ?? { open: new Set(), closed: new Map() }
  ofRegistry.set(prefix, readings)
  const registers = [register]
  const { open, closed } = readings
  const now = (pick: Count): number => [...open].reduce((total, read) => total + (pick(read()) ?? 0), 0)
  const total = ([name, , pick]: Reading): number => now(pick) + (closed.get(name) ?? 0)

  const gauge = (name: string, help: string, value: () => number) =>
    new client.Gauge({ name: `${prefix}${name}`, help, registers, collect () { this.set(value()) } })
  const counter = (name: string, help: string, value: () => number) =>
    new client.Counter({ name: `${prefix}${name}`, help, registers, collect () { this.reset(); this.inc(value()) } })

  for (const [name, help, pick] of GAUGES) gauge(name, help, () => now(pick))
  for (const reading of COUNTERS) counter(reading[0], reading[1], () => total(reading))
  const replicas = () => [...open].flatMap(read => read().pdp?.replicas ?? [])
  const up = new client.Gauge({
    name: `${prefix}pdp_up`,
    help: 'Whether a PDP is asked: 0 while its circuit breaker is not closed.',
    labelNames: ['pdp'],
    registers,
    collect () {
      up.reset()
      const all = replicas()
      for (const { url } of all) up.set({ pdp: url }, all.every(replica => replica.url !== url || replica.state === 'closed') ? 1 : 0)
    }
  })
  const breaker = new client.Gauge({
    name: `${prefix}pdp_breaker_state`,
    help: 'The state that the circuit breaker of a PDP is in: 1 for that one, 0 for the others.',
    labelNames: ['pdp', 'state'],
    registers,
    collect () {
      breaker.reset()
      for (const { url, state: current } of replicas()) for (const state of BREAKER_STATES) breaker.inc({ pdp: url, state }, state === current ? 1 : 0)
    }
  })
  gauge('cache_hit_ratio', 'Share of the checks since the start that were answered from the cache.', () => {
    const hits = total(HITS)
    const all = hits + total(MISSES)
    return all === 0 ? 0 : hits / all
  })
  return readings
}

type Count = (stats: DecisionPointStats) => number | undefined
type Reading = readonly [name: string, help: string, pick: Count]

const BREAKER_STATES: readonly BreakerState[] = ['closed', 'open', 'half-open']

const GAUGES: readonly Reading[] = [
  ['cache_entries', 'Decisions that are remembered now.', ({ cache }) => cache?.size],
  ['waiting_checks', 'Checks that wait for the PDP now.', ({ batches }) => batches?.waiting],
  ['pdp_requests_in_flight', 'Requests to the PDP that are on their way now.', ({ pdp }) => pdp?.inFlight]
]

const HITS: Reading = ['cache_hits_total', 'Checks that were answered from the cache.', ({ cache }) => cache?.hits]
const MISSES: Reading = ['cache_misses_total', 'Checks that were not.', ({ cache }) => cache?.misses]

const COUNTERS: readonly Reading[] = [
  HITS,
  MISSES,
  ['cache_invalidations_total', 'How often something was forgotten because it may have changed.', ({ cache }) => cache?.invalidations],
  ['coalesced_checks_total', 'Checks that shared the answer of an equal one on its way.', ({ coalesced }) => coalesced],
  ['pdp_requests_total', 'Requests to the PDP.', ({ pdp }) => pdp?.requests],
  ['pdp_retries_total', 'Requests that were sent again to the same PDP.', ({ pdp }) => pdp?.retries],
  ['pdp_hedges_total', 'Requests that were sent to a second PDP because the first was slow.', ({ pdp }) => pdp?.hedges],
  ['stale_decisions_total', 'Decisions past their time that served while no PDP could be reached.', ({ cache }) => cache?.stale],
  ['pdp_request_failures_total', 'Requests to the PDP that ended without a decision.', ({ pdp }) => pdp?.failures]
]
