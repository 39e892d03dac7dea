// Any PDP that implements OpenID AuthZEN 1.0 (https://openid.net/specs/authorization-api-1_0.html) as a decision point.
import { randomUUID } from 'node:crypto'
import { PdpError, pdpErrorOf, UnavailableError, UnsupportedError } from '../../contract/errors.js'
import { readEvaluation, readEvaluations } from './read-evaluation.js'
import { batches, evaluationBody, evaluationsBody } from './evaluations-body.js'
import { oneAnswer } from './one-answer.js'
import { Discovery, type DiscoveryLog, type Endpoints } from './discovery.js'
import { ANY_ID, isDecision, Mapping, type MappingSettings, type Written, type WrittenEvaluation } from './mapping.js'
import { decidedAnew, firstHeaders, type Forgotten } from '../caller-headers.js'
import type { FactsApi } from '../mutation-kinds.js'
import type {
  BatchingPdp, BulkAnswer, Caller, Decision, JsonObject, Query, QueryResource, SearchAsking, SearchQuestion
} from '../../contract/point.js'
import { inWords, probeAtBoot, type SettingNames } from '../http/boot-probe.js'
import { HeldSlots } from '../http/concurrency-limit.js'
import type { Probe, ProbingTransport, TransportLog } from '../http/transport.js'
import { saysNo, someSayNo, yesesAnd } from '../is-denial.js'
import { unsendable } from '../sendable-queries.js'

export interface AuthZenLog extends DiscoveryLog, TransportLog {
  debug (details: object, message: string): void
}

interface AuthZenOptions {
  /** The configured URL of the PDP, or of each replica; all have the same path. */
  readonly urls: readonly URL[]
  /** The name of a PDP that has no such URL, because it is at a Unix socket. */
  readonly name?: string
  /** Whether the endpoints are read from the PDP's metadata. */
  readonly discovery: boolean
  readonly mapping?: MappingSettings
  /** How plans are made: by the standard's resource search, or by Cerbos' own API. */
  readonly plans?: 'search' | 'cerbos'
  /** The timeout for reading the metadata, ms. */
  readonly timeout: number
  readonly log?: AuthZenLog
  /** What the app sets for the URL and the token, for messages. */
  readonly named?: SettingNames | undefined
  /** A question that the PDP must be able to answer. Default: the first of the routes'. */
  readonly probe?: Query | undefined
  /** Whether a decision must bypass the PDP's cache. Default: never. */
  readonly forgotten?: Forgotten
}

type Ask = (endpoints: Endpoints) => Promise<readonly BulkAnswer[]>

/**
 * Checks permissions at the evaluation and evaluations endpoints of an AuthZEN PDP.
 * @param transport - connects to the origin of the URL; a path in the URL is part of the endpoints' paths
 */
export function authzenPdp (transport: ProbingTransport, options: AuthZenOptions): BatchingPdp {
  const { urls, discovery: enabled, plans = 'search', timeout, log, forgotten = () => false } = options
  const mapping = new Mapping(options.mapping ?? {})
  const discovery = new Discovery(transport, { urls, enabled, timeout, log })
  const slots = new HeldSlots(transport.slots)
  const name = options.name ?? urls.map(url => url.origin + url.pathname.replace(/\/+$/, '')).join(', ')

  /**
   * Calls `ask` once the endpoints are known. A check that waits for them holds a slot like one in flight, so no more checks wait than can
   * be sent.
   */
  async function whenKnown (deadline: number, ask: Ask): Promise<readonly BulkAnswer[]> {
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

  async function knownEndpoints (deadline: number): Promise<Endpoints> {
    try {
      return discovery.known ?? await inTime(discovery.find(), deadline)
    } catch (error) {
      throw new UnavailableError(error)
    }
  }

  async function evaluate (
    written: WrittenEvaluation, path: string, deadline: number, caller: Caller | undefined, anew: boolean
  ): Promise<readonly Decision[]> {
    const own = headersFor(idOf(caller), caller?.headers)
    const headers = anew ? decidedAnew(own) : own
    const [asked] = (anew ? mapping.allUnseen([written]) : [written]) as [WrittenEvaluation]
    const body = evaluationBody(asked)
    return [await transport.send({ method: 'POST', path, headers, body, deadline, read: readEvaluation, needsReadyPdp: saysNo })]
  }

  async function evaluateAll (
    written: readonly WrittenEvaluation[], endpoints: Endpoints, deadline: number, callers: ReadonlyArray<Caller | undefined>, anew: boolean
  ): Promise<readonly BulkAnswer[]> {
    const { evaluation, evaluations } = endpoints
    const [first] = written
    if (first !== undefined && written.length === 1) {
      // As one of a batch: what the PDP could not decide must not be the answer to the questions that are sent beside it.
      return evaluate(first, evaluation, deadline, callers[0], anew).catch((error: unknown) => [undecidedOr(error)])
    }
    // The batching stage knows this status, and then sends the checks one by one.
    if (evaluations === undefined) throw new PdpError('status', 'the PDP has no evaluations endpoint', { status: 501 })
    const own = headersFor(idOfAll(callers, log), firstHeaders(callers))
    return transport.send({
      method: 'POST',
      path: evaluations,
      headers: anew ? decidedAnew(own) : own,
      body: evaluationsBody(anew ? mapping.allUnseen(written) : written),
      deadline,
      read: answer => readEvaluations(answer, written.length),
      needsReadyPdp: someSayNo,
      withoutDenials: (answers, error) => yesesAnd(error, answers)
    })
  }

  async function decideOne (written: Written, query: Query, deadline: number, caller: Caller | undefined): Promise<Decision> {
    if (isDecision(written)) return written
    const error = unsendable(evaluationBody(written))
    if (error !== undefined) throw new UnavailableError(error)
    const anew = forgotten(query.user.key)
    const [decision] = await whenKnown(deadline, ({ evaluation }) => evaluate(written, evaluation, deadline, caller, anew))
    return decision as Decision
  }

  async function decide (query: Query, deadline: number, caller?: Caller): Promise<Decision> {
    const { anyOf, belongs } = mapping.write(query)
    const [first] = anyOf
    if (first !== undefined && anyOf.length === 1 && belongs === undefined) return decideOne(first, query, deadline, caller)
    const parts = belongs === undefined ? anyOf : [...anyOf, belongs]
    const answers = await Promise.all(parts.map(part => decideOne(part, query, deadline, caller).catch((error: unknown) => error)))
    const answer = oneAnswer(answers, belongs !== undefined)
    if (answer instanceof Error) throw answer
    return answer as Decision
  }

  /** Those of the keys whose resources belong to the tenant. */
  async function belonging (
    keys: readonly string[], { type, tenant }: QueryResource, context: JsonObject | undefined, deadline: number
  ): Promise<readonly string[]> {
    const written = keys.map(key => mapping.belonging({ resource: { type, key, tenant }, context }))
    const found: string[] = []
    for (const group of batches(written)) {
      for (let from = 0; from < group.length; from += MAX_BELONGING) {
        const places = group.slice(from, from + MAX_BELONGING)
        const evaluations = places.map(place => written[place] as WrittenEvaluation)
        const answers = await whenKnown(deadline, async endpoints => {
          if (endpoints.evaluations !== undefined) return evaluateAll(evaluations, endpoints, deadline, [], forgotten())
          return (await Promise.all(evaluations.map(one => evaluate(one, endpoints.evaluation, deadline, undefined, forgotten())))).flat()
        })
        for (const [index, answer] of answers.entries()) {
          if (answer instanceof Error) throw new UnavailableError(answer)
          if (answer.allow) found.push(keys[places[index] as number] as string)
        }
      }
    }
    return found
  }

  /** The pages of a search. */
  async function * search (question: SearchQuestion, asking: SearchAsking): AsyncGenerator<readonly string[], void, undefined> {
    if (question.find === 'tenants') {
      throw new UnsupportedError('tenants() is not supported by an AuthZEN PDP: the standard has no tenants')
    }
    const { authzenSearch } = await import('./search-endpoints.js')
    const searching = { transport, mapping, belonging, forgotten }
    const endpoints = await knownEndpoints(asking.deadline())
    if (mapping.hasRelation && question.find !== 'resources' && question.resource.key !== undefined) {
      const { resource, context } = question
      if ((await belonging([question.resource.key], resource, context, asking.deadline())).length === 0) return
    }
    yield * authzenSearch(searching, endpoints, question, asking)
    if (question.find === 'resources' || !mapping.inherits || question.resource.key === undefined) return
    const { key: _, ...type } = question.resource
    yield * authzenSearch(searching, endpoints, { ...question, resource: type }, asking)
  }

  let question = options.probe
  /** What the log has at boot. */
  const failures = new Set<string>()

  /** Asks a question, and logs why there is no decision. What the probe without a question has reported already is not said again. */
  async function askAtBoot (query: Query): Promise<void> {
    const asked = `${query.resource.type}:${query.action}`
    const { pdp, token } = options.named ?? { pdp: 'option "pdp"', token: 'option "token"' }
    try {
      await decide(query, performance.now() + Math.min(timeout, MAX_BOOT_WAIT))
    } catch (error) {
      const cause = pdpErrorOf(error)
      if (cause === undefined || SAID_BY_PROBE.has(cause.failure) || failures.has(cause.failure)) return
      const details = { permit: { pdp: name, failure: cause.failure, reason: cause.message } }
      if (cause.failure === 'token') {
        log?.error(details, `permit: the PDP at ${name} rejects the token, so every check will get 503. Set ${inWords(token)} to a token ` +
          'that this PDP accepts')
      } else {
        log?.error(details, `permit: the PDP at ${name} cannot answer "${asked}", so such checks will get 503: ${cause.message}. ` +
          `Check ${inWords(pdp)}, the option "authzen", and the PDP's policies`)
      }
    }
  }

  return {
    name,
    slots,

    // Discovery is not awaited: an unreachable PDP must not keep the app from starting.
    async open () {
      discovery.find().catch(() => {})
      if (log !== undefined) await probeAtBoot(transport, logOnce(log, failures), { named: options.named, rejections: REJECTS_NOTHING })
      if (question !== undefined) await askAtBoot(question)
    },

    peek: () => undefined,
    mistakeIn: (type, isType, tenant) => mapping.mistakeIn(type, isType, tenant),

    async decide (query, deadline, trace, caller): Promise<Decision> {
      if (trace !== undefined) trace.source = 'pdp'
      return decide(query, deadline, caller)
    },

    async decideAll (queries, deadline, callers = []): Promise<readonly BulkAnswer[]> {
      const answers: BulkAnswer[] = []
      const written: (WrittenEvaluation | undefined)[] = []
      /** The query of each evaluation, and the places of the evaluations of each query. */
      const ofQuery: number[] = []
      /** The queries whose last evaluation is about the tenant. */
      const needsLast = new Set<number>()
      const starts = queries.map((query, place) => {
        const start = ofQuery.length
        const { anyOf, belongs } = mapping.write(query)
        if (belongs !== undefined) needsLast.add(place)
        for (const part of belongs === undefined ? anyOf : [...anyOf, belongs]) {
          ofQuery.push(place)
          const error = isDecision(part) ? undefined : unsendable(evaluationBody(part))
          written.push(isDecision(part) || error !== undefined ? undefined : part)
          answers.push(isDecision(part) ? part : error ?? NOT_ANSWERED)
        }
        return start
      })
      const groups = batches(written)
      let next = 0
      const ask = async () => {
        for (let places = groups[next++]; places !== undefined; places = groups[next++]) {
          const group = places
          const evaluations = group.map(place => written[place] as WrittenEvaluation)
          const askers = group.map(place => callers[ofQuery[place] as number])
          const anew = forgotten() && group.some(place => forgotten((queries[ofQuery[place] as number] as Query).user.key))
          const found = await whenKnown(deadline, endpoints => evaluateAll(evaluations, endpoints, deadline, askers, anew))
          group.forEach((place, index) => { answers[place] = found[index] as BulkAnswer })
        }
      }
      // Only as many batches as there are free connections: waiting batches would get a connection before other callers' checks.
      await Promise.all(Array.from({ length: Math.min(groups.length, Math.max(1, slots.free)) }, ask))
      return starts.map((start, place) => oneAnswer(answers.slice(start, starts[place + 1]), needsLast.has(place)) as BulkAnswer)
    },

    async permissions (question, deadline) {
      const { namedPermissions } = await import('./named-permissions.js')
      return namedPermissions({ name, slots, hasTenants: mapping.hasTenants, search }, question, deadline)
    },

    async plan (question, deadline) {
      const { cerbosPlan, searchPlan } = await import('./authzen-plan.js')
      const planning = { transport, mapping, belonging, forgotten, prefix: (urls[0] as URL).pathname.replace(/\/+$/, '') }
      if (plans === 'cerbos') return cerbosPlan(planning, question, deadline)
      const { user, action, type, tenant, context } = question
      const whole = mapping.inherited({ user, action, resource: { type, key: ANY_ID, tenant }, context, key: '' })
      if (whole !== undefined && (await decide(whole, deadline)).allow) return { kind: 'all', type, tenant }
      return searchPlan(planning, await knownEndpoints(deadline), question, deadline)
    },

    search,

    async probeWith (query) {
      if (question !== undefined) return
      question = query
      await askAtBoot(query)
    },

    async health (deadline) {
      try {
        await discovery.ask(deadline)
      } catch (error) {
        // With discovery off, any response shows that the PDP is up.
        const isUp = !enabled && error instanceof PdpError && error.status !== undefined && error.status < 500
        if (!isUp) return { ok: false, pdp: name, reason: reasonOf(error) }
      }
      try {
        // Only a decision shows that token, path and model are right.
        if (question !== undefined) await decide(question, deadline)
        return { ok: true, pdp: name }
      } catch (error) {
        return { ok: false, pdp: name, reason: reasonOf(error) }
      }
    },

    stats: () => ({ pdp: transport.stats() }),
    close: deadline => transport.close(deadline)
  }
}

/** How long a start waits for the answer to a question, ms. */
const MAX_BOOT_WAIT = 250

/** A PDP that is up rejects the empty evaluation of the probe. */
const REJECTS_NOTHING: ReadonlySet<number> = new Set([400, 422])

/** What the probe without a question finds, too. */
const SAID_BY_PROBE = new Set(['network', 'timeout', 'circuit', 'closed', 'unready'])

/** A log that notes the failures of its lines. */
function logOnce (log: TransportLog, failures: Set<string>): TransportLog {
  const noting = (write: (details: object, message: string) => void) => (details: object, message: string): void => {
    failures.add((details as { permit: { failure: string } }).permit.failure)
    write(details, message)
  }
  return {
    info: (details, message) => log.info(details, message),
    warn: noting((details, message) => log.warn(details, message)),
    error: noting((details, message) => log.error(details, message))
  }
}

function reasonOf (error: unknown): string {
  return pdpErrorOf(error)?.message ?? (error instanceof Error ? error.message : 'unknown')
}

/** Probes an AuthZEN PDP with an empty evaluation. A PDP that rejects it, or does not know the path, is up. */
export function authzenProbe ([url]: readonly URL[]): Probe {
  return { method: 'POST', path: `${url?.pathname.replace(/\/+$/, '')}/access/v1/evaluation`, body: '{}', read: () => undefined }
}

/** The facts of an AuthZEN PDP: the standard has no writes. */
export const authzenFacts: FactsApi = {
  async apply ({ kind }) {
    throw new UnsupportedError(
      `${kind} is not supported by an AuthZEN PDP: the standard has no writes. Write to the PDP's data source, then call invalidate()`)
  }
}

/** Waits until a check's own deadline: discovery is shared, and may take longer. */
async function inTime<T> (promise: Promise<T>, deadline: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    const left = Math.max(0, deadline - performance.now())
    timer = setTimeout(() => reject(new PdpError('timeout', 'the deadline passed before the PDP sent its AuthZEN metadata')), left)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** The error of a question that the PDP could not decide. Throws any other. */
function undecidedOr (error: unknown): PdpError {
  if (error instanceof PdpError && error.failure === 'undecided') return error
  throw error
}

/** Stands where an answer will be. */
const NOT_ANSWERED = new PdpError('answer', 'the PDP has not answered')

/** The most questions about tenants in one batch of a search. */
const MAX_BELONGING = 50

/** An id that a header can carry. A client may choose its id freely. */
const SENDABLE_ID = /^[\x21-\x7e]{1,128}$/

function headersFor (requestId: string | undefined, others: Caller['headers']): Caller['headers'] {
  return requestId === undefined ? others : { 'x-request-id': requestId, ...others }
}

function idOf (caller: Caller | undefined): string | undefined {
  const id = caller?.requestId
  return typeof id === 'string' && SENDABLE_ID.test(id) ? id : undefined
}

const OWN = randomUUID()
let batchCount = 0

/** The id of a batch: the id of its only request, or a new one, which is logged with the ids of all its requests. */
function idOfAll (callers: ReadonlyArray<Caller | undefined>, log: AuthZenLog | undefined): string | undefined {
  const ids = new Set<string>()
  for (const caller of callers) {
    const id = idOf(caller)
    if (id !== undefined) ids.add(id)
  }
  if (ids.size < 2) return ids.values().next().value
  const own = `${OWN}-${++batchCount}`
  log?.debug({ permit: { requestId: own, requestIds: [...ids] } }, 'permit: checks sent in one batch')
  return own
}
