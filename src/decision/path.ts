// Puts the path of a question together: the one place that shows every stage, outermost first.
import type { EnvironmentLog } from '../environment/environment.js'
import { authzenFacts, authzenPdp, authzenProbe, type AuthZenLog } from '../pdp/authzen/authzen-pdp.js'
import { embeddedPdp } from '../pdp/embedded/embedded-pdp.js'
import type { FactsApi } from '../contract/fact-mutation.js'
import { permitFacts } from '../pdp/permit/permit-facts.js'
import { permitPdp, permitProbe } from '../pdp/permit/permit-pdp.js'
import type { DecisionPoint, DecisionSource, Pdp } from '../contract/point.js'
import { httpTransport, type TransportLog } from '../pdp/http/transport.js'
import type { PathOptions } from './origin.js'
import { batched } from './stages/batched.js'
import { cached } from './stages/cached.js'
import { coalesced } from './stages/coalesced.js'
import { counted } from './stages/counted.js'
import { Generations } from './generations.js'
import { outspoken } from './stages/outage.js'

export interface DecisionPath {
  /** Where questions go in. */
  readonly point: DecisionPoint
  /** The end of the path, for what is not a decision: permissions, health, closing. */
  readonly pdp: Pdp
  /** Where answers come from that are at hand without asking. */
  readonly atHand: DecisionSource
  /** Where facts are written. */
  readonly facts: FactsApi
  readonly generations: Generations
  /** How many questions of one bulk check may be on their way at a time. */
  readonly bulkConcurrency: number
  /** Lets what is on its way finish by `deadline`, then lets go of sockets, timers and files. */
  close (deadline: number): Promise<void>
}

/** Bytes of a PDP's answer at most. A decision is a few hundred, a bulk answer some tens of thousands; the rest is room for debug output. */
const MAX_RESPONSE_SIZE = 1024 * 1024

/** Writes on their way at a time. They have connections of their own: one may wait for seconds, and no check must wait for it. */
const WRITE_CONNECTIONS = 4

/** Writes that may wait for a connection. */
const WRITE_QUEUE = 1_000

/**
 * The path that the options describe. A stage that an option turns off is not in the line.
 * @param onSent told how many questions leave in one request
 */
export function openPath ({ origin, cache, timeout }: PathOptions, log?: EnvironmentLog & TransportLog & AuthZenLog, onSent?: (questions: number) => void): DecisionPath {
  const generations = new Generations()

  if (origin.kind === 'policy') {
    // Nothing to coalesce: the embedded PDP answers in the same tick.
    const { policy, data } = origin
    const pdp = embeddedPdp({ policy, data, log, onChange: change => generations.forget(change) })
    const point = counted(cache === false ? pdp : cached(pdp, cache, generations))
    return { point, pdp, atHand: cache === false ? 'embedded' : 'cache', facts: pdp.facts, generations, bulkConcurrency: 1, close: deadline => pdp.close(deadline) }
  }

  const { urls, token, authzen, connections, queue, batch, factsTimeout, retries, breaker, hedge } = origin
  const wire = { token, maxResponseSize: MAX_RESPONSE_SIZE, connectTimeout: timeout }
  const asking = { ...wire, connections, maxQueue: queue, retries, breaker, hedge, log }
  // An AuthZEN PDP may have its endpoints anywhere at its origin.
  const pdp = authzen === undefined
    ? permitPdp(httpTransport({ ...asking, url: urls, probe: permitProbe }), log)
    : authzenPdp(httpTransport({ ...asking, url: urls.map(({ origin }) => new URL(origin)), probe: authzenProbe(urls) }), { urls, ...authzen, timeout, log })
  const writes = authzen === undefined
    ? httpTransport({ ...wire, url: urls, connections: WRITE_CONNECTIONS, maxQueue: WRITE_QUEUE, writes: true })
    : undefined
  const batches = batched(pdp, { queue, batch, onSent })
  const shared = coalesced(batches, generations)
  const asked = log === undefined ? shared : outspoken(shared, log)
  const point = counted(cache === false ? asked : cached(asked, cache, generations))
  return {
    point,
    pdp,
    atHand: 'cache',
    facts: writes === undefined ? authzenFacts : permitFacts(writes, factsTimeout),
    generations,
    // Half of what may wait, so that a large bulk check leaves room for everybody else.
    bulkConcurrency: Math.max(1, Math.floor(queue / 2)),
    async close (deadline) {
      await batches.close(deadline)
      await Promise.all([pdp.close(deadline), writes?.close(deadline)])
    }
  }
}
