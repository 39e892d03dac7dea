// Puts the path of a question together: the one place that shows every stage, outermost first.
import type { EnvironmentChange, EnvironmentLog } from '../local/environment.js'
import { authzenFacts, authzenPdp, type AuthZenLog } from '../pdp/authzen.js'
import { embeddedPdp } from '../pdp/embedded.js'
import type { FactsApi } from '../pdp/facts.js'
import { permitFacts } from '../pdp/permit-facts.js'
import { permitPdp } from '../pdp/permit.js'
import type { DecisionPoint, Pdp } from '../pdp/point.js'
import { httpTransport } from '../pdp/transport.js'
import type { ResolvedOptions } from '../options.js'
import { batched } from './batched.js'
import { cached } from './cached.js'
import { coalesced } from './coalesced.js'
import { counted } from './counted.js'
import { Generations } from './generations.js'

export interface DecisionPath {
  /** Where questions go in. */
  readonly point: DecisionPoint
  /** The end of the path, for what is not a decision: permissions, health, closing. */
  readonly pdp: Pdp
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

/** The path that the options describe. A stage that an option turns off is not in the line. */
export function openPath ({ origin, cache, timeout }: Pick<ResolvedOptions, 'origin' | 'cache' | 'timeout'>, log?: EnvironmentLog & AuthZenLog): DecisionPath {
  const generations = new Generations()

  if (origin.kind === 'policy') {
    // Nothing to coalesce: the embedded PDP answers in the same tick.
    const { policy, data } = origin
    const pdp = embeddedPdp({ policy, data, log, onChange: change => invalidate(generations, change) })
    const point = counted(cache === false ? pdp : cached(pdp, cache, generations))
    return { point, pdp, facts: pdp.facts, generations, bulkConcurrency: 1, close: deadline => pdp.close(deadline) }
  }

  const { url, token, authzen, connections, queue, batch, factsTimeout } = origin
  const wire = { url, token, maxResponseSize: MAX_RESPONSE_SIZE, connectTimeout: timeout }
  // An AuthZEN PDP may have its endpoints anywhere at its origin.
  const pdp = authzen === undefined
    ? permitPdp(httpTransport({ ...wire, connections, maxQueue: queue }))
    : authzenPdp(httpTransport({ ...wire, url: new URL(url.origin), connections, maxQueue: queue }), { url, ...authzen, timeout, log })
  const writes = authzen === undefined ? httpTransport({ ...wire, connections: WRITE_CONNECTIONS, maxQueue: WRITE_QUEUE }) : undefined
  const batches = batched(pdp, { queue, batch })
  const asked = coalesced(batches, generations)
  const point = counted(cache === false ? asked : cached(asked, cache, generations))
  return {
    point,
    pdp,
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

function invalidate (generations: Generations, change: EnvironmentChange): void {
  if ('all' in change) generations.invalidate()
  else for (const user of change.users) generations.invalidate(user)
}
