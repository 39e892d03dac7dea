// Any PDP that speaks OpenID AuthZEN 1.0 (https://openid.net/specs/authorization-api-1_0.html) as a decision point.
import { randomUUID } from 'node:crypto'
import { PdpError, UnavailableError, UnsupportedError } from '../../contract/errors.js'
import { readEvaluation, readEvaluations } from './answer.js'
import { batches, evaluationBody, evaluationsBody } from './batch.js'
import { Discovery, type DiscoveryLog, type Endpoints } from './discovery.js'
import { ANY_ID, writeEvaluation, type WrittenEvaluation } from './mapping.js'
import { type EvaluationMap } from '../../contract/evaluation.js'
import type { FactsApi } from '../../contract/fact-mutation.js'
import type { BatchingPdp, Caller, Decision, Query } from '../../contract/point.js'
import { probeAtBoot } from '../http/boot.js'
import { HeldSlots } from '../http/slots.js'
import type { Probe, ProbingTransport, TransportLog } from '../http/transport.js'

export interface AuthZenLog extends DiscoveryLog, TransportLog {
  debug (details: object, message: string): void
}

export interface AuthZenOptions {
  /** The PDP's URL, as it was configured, or those of its replicas, which have one path. */
  readonly urls: readonly URL[]
  /** Whether the PDP is asked where its endpoints are. */
  readonly discovery: boolean
  readonly map?: EvaluationMap
  /** Ms that the PDP may take to say where its endpoints are. */
  readonly timeout: number
  readonly log?: AuthZenLog
}

type Ask = (endpoints: Endpoints) => Promise<readonly Decision[]>

/**
 * Asks a PDP by AuthZEN: the evaluation and the evaluations endpoint.
 * @param transport - to the origin of the URL: a path in it counts among the endpoints' paths
 */
export function authzenPdp (transport: ProbingTransport, { urls, discovery: enabled, map, timeout, log }: AuthZenOptions): BatchingPdp {
  const discovery = new Discovery(transport, { urls, enabled, timeout, log })
  const slots = new HeldSlots(transport.slots)
  const name = urls.map(url => url.origin + url.pathname.replace(/\/+$/, '')).join(', ')

  /** Asks when the endpoints are known. A question that waits for them has a slot, as one that is on its way: so no more of them can wait than can travel. */
  async function whenKnown (deadline: number, ask: Ask): Promise<readonly Decision[]> {
    try {
      const { known } = discovery
      if (known !== undefined) return await ask(known)
      const found = discovery.find()
      const waits = slots.free > 0
      if (waits) slots.hold()
      let endpoints: Endpoints
      try {
        endpoints = await inTime(found, deadline)
      } finally {
        if (waits) slots.release()
      }
      return await ask(endpoints)
    } catch (error) {
      throw new UnavailableError(error)
    }
  }

  async function evaluate (written: WrittenEvaluation, path: string, deadline: number, requestId: string | undefined): Promise<readonly Decision[]> {
    return [await transport.send({ method: 'POST', path, headers: headersFor(requestId), body: evaluationBody(written), deadline, read: readEvaluation })]
  }

  async function evaluateAll (written: readonly WrittenEvaluation[], { evaluation, evaluations }: Endpoints, deadline: number, callers: ReadonlyArray<Caller | undefined>): Promise<readonly Decision[]> {
    const [first] = written
    if (first !== undefined && written.length === 1) return evaluate(first, evaluation, deadline, idOf(callers[0]))
    // The status that a server without it would answer with: whoever batches knows it, and asks one by one.
    if (evaluations === undefined) throw new PdpError('status', 'the PDP has no endpoint for many evaluations', { status: 501 })
    return transport.send({
      method: 'POST',
      path: evaluations,
      headers: headersFor(idOfAll(callers, log)),
      body: evaluationsBody(written),
      deadline,
      read: answer => readEvaluations(answer, written.length)
    })
  }

  return {
    name,
    slots,

    // Not waited for: a PDP that is not there yet must not keep the app from starting.
    async open () {
      discovery.find().catch(() => {})
      if (log !== undefined) await probeAtBoot(transport, log)
    },

    peek: () => undefined,

    async decide (query, deadline, trace, caller): Promise<Decision> {
      if (trace !== undefined) trace.source = 'pdp'
      if (isReserved(query)) return RESERVED
      const written = writeEvaluation(query, map)
      const [decision] = await whenKnown(deadline, ({ evaluation }) => evaluate(written, evaluation, deadline, idOf(caller)))
      return decision as Decision
    },

    async decideAll (queries, deadline, callers = []): Promise<readonly Decision[]> {
      const written = queries.map(query => isReserved(query) ? undefined : writeEvaluation(query, map))
      const decisions = new Array<Decision>(queries.length).fill(RESERVED)
      const groups = batches(written)
      let next = 0
      const ask = async () => {
        for (let places = groups[next++]; places !== undefined; places = groups[next++]) {
          const asked = places
          const answers = await whenKnown(deadline, endpoints =>
            evaluateAll(asked.map(place => written[place] as WrittenEvaluation), endpoints, deadline, asked.map(place => callers[place])))
          asked.forEach((place, index) => { decisions[place] = answers[index] as Decision })
        }
      }
      // As many at a time as can travel now: those that waited for a connection would get it before everybody else's questions.
      await Promise.all(Array.from({ length: Math.min(groups.length, Math.max(1, slots.free)) }, ask))
      return decisions
    },

    async permissions () {
      throw new UnsupportedError('permissions: AuthZEN has no call for what a user may do; ask about what you want to show, by bulkCheck or filter')
    },

    async health (deadline) {
      try {
        await discovery.ask(deadline)
        return { ok: true, pdp: name }
      } catch (error) {
        // Who does not look for the metadata does not mind what is in its place.
        if (!enabled && error instanceof PdpError && error.status !== undefined && error.status < 500) return { ok: true, pdp: name }
        return { ok: false, pdp: name, reason: error instanceof Error ? error.message : 'unknown' }
      }
    },

    stats: () => ({ pdp: transport.stats() }),
    close: deadline => transport.close(deadline)
  }
}

/** Finds out whether an AuthZEN PDP is well: a question about nothing. Whoever refuses it as none is there, and so is whoever knows no such path. */
export function authzenProbe ([url]: readonly URL[]): Probe {
  return { method: 'POST', path: `${url?.pathname.replace(/\/+$/, '')}/access/v1/evaluation`, body: '{}', read: () => undefined }
}

/** The facts of an AuthZEN PDP: they are not the standard's business, so nothing can be written. */
export const authzenFacts: FactsApi = {
  async apply ({ kind }) {
    throw new UnsupportedError(`${kind}: AuthZEN has no call for writes; make them where the PDP gets its data from, and call invalidate() afterwards`)
  }
}

/** What somebody else waits for may come later than this question's deadline. */
async function inTime<T> (promise: Promise<T>, deadline: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new PdpError('timeout', 'the PDP did not say in time where its endpoints are')), Math.max(0, deadline - performance.now()))
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** A resource's own key that is the mark for "no key": to the PDP the question would be one about the type. */
const RESERVED: Decision = Object.freeze({ allow: false, code: 'reserved_key', reason: `a resource with the key "${ANY_ID}" cannot be told from its type; it was not asked about` })

function isReserved ({ resource }: Query): boolean {
  return resource.key === ANY_ID
}

/** What a header can carry; an id that a client chose may be anything. */
const SENDABLE_ID = /^[\x21-\x7e]{1,128}$/

function headersFor (requestId: string | undefined): Readonly<Record<string, string>> | undefined {
  return requestId === undefined ? undefined : { 'x-request-id': requestId }
}

function idOf (caller: Caller | undefined): string | undefined {
  const id = caller?.requestId
  return typeof id === 'string' && SENDABLE_ID.test(id) ? id : undefined
}

const OWN = randomUUID()
let batchCount = 0

/** The id of a batch: that of the one request that it is for, or one of its own, logged with those that it stands for. */
function idOfAll (callers: ReadonlyArray<Caller | undefined>, log: AuthZenLog | undefined): string | undefined {
  const ids = new Set<string>()
  for (const caller of callers) {
    const id = idOf(caller)
    if (id !== undefined) ids.add(id)
  }
  if (ids.size < 2) return ids.values().next().value
  const own = `${OWN}-${++batchCount}`
  log?.debug({ permit: { requestId: own, requestIds: [...ids] } }, 'permit: asked together')
  return own
}
