// The option `metrics`: Prometheus metrics through prom-client, counted when checks, plans and searches end or read from existing counters.
import type * as PromClient from 'prom-client'
import type { CheckObserver } from './observation.js'
import type { DecisionPointStats, BreakerState } from '../contract/point.js'
import { BATCH_SIZES, type MetricsOptions } from './telemetry-options.js'

type Client = Pick<typeof PromClient, 'Counter' | 'Histogram' | 'Gauge' | 'register'>

/** Seconds: from a cached decision to a check that times out. */
const BUCKETS = [0.000_01, 0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]

type Read = () => DecisionPointStats

/** The counters of all registrations of the plugin that share a registry. */
interface Readings {
  /** The open registrations. */
  readonly open: Set<Read>
  /** The totals of closed registrations by counter, because a counter must never decrease while the process runs. */
  readonly closed: Map<string, number>
}

const sources = new WeakMap<PromClient.Registry, Map<string, Readings>>()

interface Metrics {
  readonly observer: CheckObserver
  /** Starts reading counters. */
  read (stats: Read): void
  /** Stops reading counters, when the plugin closes. */
  close (): void
}

/** Metrics in a registry. Several registrations of the plugin share them: counters add up. */
export function prometheus (client: Client, options: MetricsOptions): Metrics {
  const { prefix = 'fastify_permit_' } = options
  const register = (options.register ?? client.register) as PromClient.Registry
  const registers = [register]
  const checks = existing<PromClient.Counter>(register, `${prefix}checks_total`) ?? new client.Counter({
    name: `${prefix}checks_total`,
    help: 'Checks by result (allow, deny, error) and by source of the decision.',
    labelNames: ['result', 'source'],
    registers
  })
  const duration = existing<PromClient.Histogram>(register, `${prefix}check_duration_seconds`) ?? new client.Histogram({
    name: `${prefix}check_duration_seconds`,
    help: 'Duration of checks by source of the decision.',
    labelNames: ['source'],
    buckets: BUCKETS,
    registers
  })
  const refusals = existing<PromClient.Counter>(register, `${prefix}guard_refusals_total`) ?? new client.Counter({
    name: `${prefix}guard_refusals_total`,
    help: 'Requests that the guard refused without a check, by code.',
    labelNames: ['code'],
    registers
  })
  const lists = existing<PromClient.Counter>(register, `${prefix}lists_total`) ?? new client.Counter({
    name: `${prefix}lists_total`,
    help: 'Plans and searches by kind, by result (all, some, none, error, aborted) and by source.',
    labelNames: ['kind', 'result', 'source'],
    registers
  })
  const listDuration = existing<PromClient.Histogram>(register, `${prefix}list_duration_seconds`) ?? new client.Histogram({
    name: `${prefix}list_duration_seconds`,
    help: 'Duration of plans and searches by kind and by source.',
    labelNames: ['kind', 'source'],
    buckets: BUCKETS,
    registers
  })
  const batchSize = existing<PromClient.Histogram>(register, `${prefix}batch_size`) ?? new client.Histogram({
    name: `${prefix}batch_size`, help: 'Number of checks in one request to the PDP.', buckets: [...BATCH_SIZES], registers
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
      refused ({ code = 'none' }) {
        refusals.inc({ code })
      },
      listEnded ({ kind }, { rows, aborted, source = 'none', duration }) {
        lists.inc({ kind, result: rows ?? (aborted === true ? 'aborted' : 'error'), source })
        listDuration.observe({ kind, source }, duration / 1000)
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

/** Registers the metrics whose values are read when they are scraped. */
function readingsOf (client: Client, register: PromClient.Registry, prefix: string): Readings {
  let ofRegistry = sources.get(register)
  if (ofRegistry === undefined) sources.set(register, ofRegistry = new Map())
  const known = ofRegistry.get(prefix)
  // Clearing a registry removes its metrics, but the readings stay.
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
    help: 'Whether a PDP gets checks: 0 while its circuit breaker is not closed.',
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
    help: "The state of a PDP's circuit breaker: 1 for the current state, 0 for the others.",
    labelNames: ['pdp', 'state'],
    registers,
    collect () {
      breaker.reset()
      for (const { url, state: current } of replicas()) {
        for (const state of BREAKER_STATES) breaker.inc({ pdp: url, state }, state === current ? 1 : 0)
      }
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
  ['cache_entries', 'Cached decisions.', ({ cache }) => cache?.size],
  ['bus_up', 'Registrations whose bus works.', ({ bus }) => Number(bus?.up ?? false)],
  ['bus_instances', 'Instances on the bus, this one included.', ({ bus }) => bus?.instances],
  ['bus_silent_instances', 'Instances on the bus that are not heard.', ({ bus }) => bus?.silent],
  ['waiting_checks', 'Checks that are waiting for the PDP.', ({ batches }) => batches?.waiting],
  ['pdp_requests_in_flight', 'Requests to the PDP in flight.', ({ pdp }) => pdp?.inFlight]
]

const HITS: Reading = ['cache_hits_total', 'Checks that were answered from the cache.', ({ cache }) => cache?.hits]
const MISSES: Reading = ['cache_misses_total', 'Checks that were not answered from the cache.', ({ cache }) => cache?.misses]

const COUNTERS: readonly Reading[] = [
  HITS,
  MISSES,
  ['cache_invalidations_total', 'Invalidations of cached decisions, of one user or all users.', ({ cache }) => cache?.invalidations],
  ['bus_sent_messages_total', 'Messages to the bus.', ({ bus }) => bus?.sent],
  ['bus_received_messages_total', 'Messages from the bus.', ({ bus }) => bus?.received],
  ['bus_rejected_messages_total', 'Messages from the bus that were dropped.', ({ bus }) => bus?.rejected],
  ['bus_gaps_total', 'Times that messages of another instance were missing.', ({ bus }) => bus?.gaps],
  ['bus_forget_all_total', 'Times that all decisions were dropped because of the bus.', ({ bus }) => bus?.forgetAll],
  ['bus_outages_total', 'Times that the bus was unreachable.', ({ bus }) => bus?.outages],
  ['coalesced_checks_total', 'Checks that shared the decision of an equal check in flight.', ({ coalesced }) => coalesced],
  ['pdp_requests_total', 'Requests to the PDP.', ({ pdp }) => pdp?.requests],
  ['pdp_retries_total', 'Retries on the same PDP.', ({ pdp }) => pdp?.retries],
  ['pdp_hedges_total', 'Second requests because the first one was slow.', ({ pdp }) => pdp?.hedges],
  ['stale_decisions_total', 'Expired decisions that were used while the PDP was unreachable.', ({ cache }) => cache?.stale],
  ['pdp_request_failures_total', 'Requests to the PDP that ended without a decision.', ({ pdp }) => pdp?.failures]
]
