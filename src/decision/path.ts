// Assembles the decision path: the one place that shows every stage, outermost first.
import type { Bus } from '../bus/bus.js'
import type { Environment, EnvironmentLog } from '../environment/environment.js'
import type { AuthZenLog } from '../pdp/authzen/authzen-pdp.js'
import type { FactsApi } from '../pdp/mutation-kinds.js'
import type { AskedPoint, BatchingPdp, DecisionPoint, DecisionSource, Pdp, Query } from '../contract/point.js'
import type { ProbingTransport, TransportLog } from '../pdp/http/transport.js'
import type { PathOptions } from './path-options.js'
import { batched } from './stages/batched.js'
import { coalesced } from './stages/coalesced.js'
import { counted } from './stages/counted.js'
import type { BusSettings } from '../bus/bus-target.js'
import { Generations } from './generations.js'
import { createQuery } from './query.js'
import { invalidating, telling } from './invalidate-after-write.js'
import { LISTS, Outage, withOutageLog } from './stages/outage.js'

export interface DecisionPath {
  /** The outermost stage. */
  readonly point: AskedPoint
  /** The PDP at the end of the path, for everything but decisions: permissions, health, closing. */
  readonly pdp: Pdp
  /** The source of decisions that are available without asking the PDP. */
  readonly atHand: DecisionSource
  /** Policy and facts of the embedded PDP, for the inspector; absent for a PDP over the network, undefined while it is not open. */
  readonly environment?: () => Environment | undefined
  /** Writes facts. */
  readonly facts: FactsApi
  readonly generations: Generations
  /** The bus that sends invalidations to other instances; undefined without one. */
  readonly bus?: Bus
  /** How long answers are kept, plans among them. */
  readonly cache: PathOptions['cache']
  /** Logs when plans and searches fail, and when they are answered again; undefined for the embedded PDP, and without a log. */
  readonly listOutage?: Outage
  /** For a path that may not be open yet: resolves when it is; undefined when it is. */
  readonly opened?: () => Promise<void> | undefined
  /** The most checks of one bulk check in flight at a time. */
  readonly bulkConcurrency: number
  /** The most checks of one filter in flight at a time. A filter may have many thousand items, and other checks run at the same time. */
  readonly filterConcurrency: number
  /** Lets checks in flight finish until `deadline`, then closes sockets, timers and files. */
  close (deadline: number): Promise<void>
}

/** The largest response of a PDP, bytes. A decision takes some hundred, a bulk response some ten thousand; the rest is for debug output. */
const MAX_RESPONSE_SIZE = 1024 * 1024

/** With a bus, other instances may start at the same time: the first probe is sent within this random time, ms. */
const FLEET_PROBES_WITHIN = 1_000

/** The user, and in Fastify the resource, of a question that is only asked to see whether it can be decided. */
export const PROBING_KEY = 'fastify-permit-probe'

/** Items that a filter takes at a time when the embedded PDP decides. */
const EMBEDDED_CHUNK = 256

/** The most writes in flight. They use their own connections, because a write may take seconds and must not delay checks. */
const WRITE_CONNECTIONS = 4

/** The most writes that wait for a connection. */
const WRITE_QUEUE = 1_000

/**
 * The decision path for the given options. A stage that an option turns off is left out, and what no option asks for is not loaded.
 * @param onSent called with the number of checks in each request
 * @param generations of the users' decisions, for a caller that invalidates before the path is there
 */
export async function openPath (
  { origin, cache, timeout, bus: settings }: PathOptions,
  log?: EnvironmentLog & TransportLog & AuthZenLog,
  onSent?: (checks: number) => void,
  given = new Generations()
): Promise<DecisionPath> {
  const { generations, bus } = await fleetOf(settings, cache, log) ?? { generations: given }
  const withCache = await cacheStage(cache, generations)

  if (origin.kind === 'policy') {
    const { embeddedPdp } = await import('../pdp/embedded/embedded-pdp.js')
    // Nothing to coalesce: the embedded PDP answers in the same tick.
    const { policy, data, unknown } = origin
    // The environment reports its writes through onChange, so its facts need no wrapper.
    const pdp = embeddedPdp({ policy, data, unknown, log, onChange: change => generations.forget(change) })
    if (cache !== false) generations.overdue = () => pdp.environment()?.isOverdue === true
    const point = counted(withCache(pdp))
    return {
      point,
      pdp,
      environment: () => pdp.environment(),
      atHand: cache === false ? 'embedded' : 'cache',
      facts: bus === undefined ? pdp.facts : telling(pdp.facts, generations),
      generations,
      bus,
      cache,
      bulkConcurrency: 1,
      filterConcurrency: EMBEDDED_CHUNK,
      async close (deadline) {
        await Promise.all([pdp.close(deadline), bus?.close()])
      }
    }
  }

  const { urls, headers, authzen, http2, proxy, dispatcher, connections, queue, batch, factsTimeout, retries, breaker, hedge } = origin
  const { readiness } = origin
  const { httpTransport, Tls, Token } = await import('../pdp/http/transport.js')
  // One for all requests, so that a new token is asked for once.
  const token = new Token(origin.token)
  const tls = origin.tls === undefined ? undefined : new Tls(origin.tls)
  const wire = { token, headers, tls, http2, proxy, dispatcher, maxResponseSize: MAX_RESPONSE_SIZE, connectTimeout: timeout }
  const probeWithin = bus === undefined ? 0 : FLEET_PROBES_WITHIN
  const checking = {
    ...wire, connections, maxQueue: queue, retries, breaker, hedge, log, probeWithin, ...(readiness === false ? {} : { readiness })
  }
  // The endpoints of an AuthZEN PDP may be anywhere at its origin. At a Unix socket there is no origin, and they are at its root.
  const hosts = authzen === undefined ? urls : urls.map(url => isSocket(url) ? url : new URL(url.origin))
  const bases = urls.map(url => isSocket(url) ? new URL('http://localhost') : url)
  const name = urls.some(isSocket) ? urls.map(({ href }) => href).join(', ') : undefined
  const forgotten = (user?: string): boolean => generations.isRecentlyForgotten(user)
  let pdp: BatchingPdp
  let facts: FactsApi
  let writes: ProbingTransport | undefined
  if (authzen === undefined) {
    const { permitPdp, permitProbe } = await import('../pdp/permit/permit-pdp.js')
    const { permitFacts } = await import('../pdp/permit/permit-facts.js')
    pdp = permitPdp(await httpTransport({ ...checking, url: hosts, probe: permitProbe }), log, forgotten, origin.named)
    writes = await httpTransport({ ...wire, url: urls, connections: WRITE_CONNECTIONS, maxQueue: WRITE_QUEUE, writes: true })
    facts = invalidating(permitFacts(writes, factsTimeout), generations)
  } else {
    const { authzenFacts, authzenPdp, authzenProbe } = await import('../pdp/authzen/authzen-pdp.js')
    pdp = authzenPdp(await httpTransport({ ...checking, url: hosts, probe: authzenProbe(bases) }), {
      urls: bases, name, ...authzen, probe: probeOf(authzen.probe), timeout, log, forgotten, named: origin.named
    })
    facts = authzenFacts
  }
  const batches = batched(pdp, { queue, batch, onSent })
  const shared = coalesced(batches, generations)
  const logged = log === undefined ? shared : withOutageLog(shared, log)
  const point = counted(withCache(logged))
  return {
    point,
    pdp,
    atHand: 'cache',
    facts,
    generations,
    bus,
    cache,
    listOutage: log === undefined ? undefined : new Outage(log, performance, LISTS),
    // Half of the queue, so that a large bulk check leaves room for other checks.
    bulkConcurrency: Math.max(1, Math.floor(queue / 2)),
    // A quarter of the connections: the others are free for checks that come in between.
    filterConcurrency: Math.max(1, Math.min(Math.floor(queue / 2), batch * Math.ceil(connections / 4))),
    async close (deadline) {
      await batches.close(deadline)
      await Promise.all([pdp.close(deadline), writes?.close(deadline), bus?.close()])
    }
  }
}

function probeOf (probe: { readonly action: string, readonly resource: string } | undefined): Query | undefined {
  return probe === undefined ? undefined : createQuery(PROBING_KEY, probe.action, probe.resource)
}

/** The generations that are shared by a bus, and the bus, which is still to be opened. */
async function fleetOf (
  settings: BusSettings | undefined, cache: PathOptions['cache'], log: TransportLog | undefined
): Promise<{ readonly generations: Generations, readonly bus: Bus } | undefined> {
  if (settings === undefined || cache === false) return undefined
  const { openFleet } = await import('./open-fleet.js')
  return openFleet(settings, cache.ttl, log)
}

function isSocket ({ protocol }: URL): boolean {
  return protocol === 'unix:'
}

async function cacheStage (cache: PathOptions['cache'], generations: Generations): Promise<(next: DecisionPoint) => DecisionPoint> {
  if (cache === false) return next => next
  const { cached, ttlOfInstance } = await import('./stages/cached.js')
  const ttl = ttlOfInstance(cache.ttl, Math.random())
  return next => cached(next, { ...cache, ttl }, generations)
}
