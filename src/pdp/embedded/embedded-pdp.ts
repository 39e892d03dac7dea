// The embedded PDP as a decision point: the engine runs in this process and answers synchronously.
import type { Policy } from '../../engine/policy/policy.js'
import { PdpError, PlanError, PolicyFileError, UnavailableError } from '../../contract/errors.js'
import type { AffectedUsers } from '../../contract/affected-users.js'
import { Environment, type DecisionEngine, type EnvironmentLog } from '../../environment/environment.js'
import { PolicyError } from '../../engine/policy/problems.js'
import { WorkLimitError, type Verdict } from '../../engine/engine.js'
import { inTimeSlices } from '../../kit/time-slices.js'
import { embeddedFacts, performer, performOwn } from './embedded-facts.js'
import { warnAtFirstWrite } from './multi-process-warning.js'
import { loadOnce } from '../../kit/load-once.js'
import type { FactsApi } from '../mutation-kinds.js'
import type { SearchPlace } from '../../engine/search/search-page.js'
import type { Decision, MappedUrl, Pdp, Query, SearchQuestion } from '../../contract/point.js'

const loadPlanner = loadOnce(() => import('../../engine/plan/planner.js'))
const loadSearchPage = loadOnce(() => import('../../engine/search/search-page.js'))
const loadPlanQuery = loadOnce(() => import('../../engine/plan/plan-query.js'))

/** Results that are found at a time. */
const PAGE = 1_000

interface EmbeddedPdpOptions {
  /** The path of a policy file, or a policy as an object. Read by `open`. */
  readonly policy: string | Policy
  /** The folder for durable facts, which processes share; without one facts are kept in memory. */
  readonly data?: string
  /** What is said of users who were never synced, and of tenants that do not exist. */
  readonly unknown?: 'permit' | 'deny'
  /** Called for every change that could affect decisions: writes and reloads of the policy file. */
  readonly onChange?: (change: AffectedUsers) => void
  readonly log?: EnvironmentLog
}

/** The embedded PDP. */
export interface EmbeddedPdp extends Pdp {
  readonly facts: FactsApi
  /** Policy and facts, for reading; undefined while it is not open. */
  environment (): Environment | undefined
}

/** Creates a decision point that decides in this process. */
export function embeddedPdp ({ policy, data, unknown, onChange, log }: EmbeddedPdpOptions): EmbeddedPdp {
  let environment: Environment | undefined

  function opened (): Environment {
    if (environment === undefined) throw new UnavailableError(new PdpError('closed', 'the embedded PDP is not open'))
    return environment
  }

  /** The engine, unless its facts are too old. */
  function engineNow (): DecisionEngine {
    const { engine, currentUntil } = opened()
    if (currentUntil !== Infinity && performance.now() > currentUntil) throw tooOld()
    return engine
  }

  /** Long work ends when the facts were replaced, because its engine gets no more changes. */
  function goOn (engine: DecisionEngine, deadline: number): void {
    inTime(deadline)
    if (engineNow() === engine) return
    throw new UnavailableError(new PdpError('network', 'the facts of the data folder were reloaded; retry'))
  }

  function failed (error: unknown): unknown {
    if (!(error instanceof WorkLimitError)) return error
    return new UnavailableError(new PdpError('overload', opened().noteWorkLimit(error)))
  }

  function decideNow (query: Query): Decision {
    const engine = engineNow()
    try {
      const verdict = engine.decide(query)
      return verdict.allow || !engine.hasRules ? verdict : new Denied(verdict, engine, query)
    } catch (error) {
      throw failed(error)
    }
  }

  function explainNow (query: Query): Decision {
    const engine = engineNow()
    try {
      return engine.explainNearest(query)
    } catch (error) {
      throw failed(error)
    }
  }

  /** Runs a long question in turns with other work. */
  async function answer<R> (engine: DecisionEngine, steps: Generator<unknown, R>, deadline: number): Promise<R> {
    try {
      const result = await inTimeSlices(steps, () => goOn(engine, deadline))
      inTime(deadline)
      return result
    } catch (error) {
      throw failed(error)
    }
  }

  return {
    name: 'embedded',
    environment: () => environment,
    facts: embeddedFacts(opened, warnAtFirstWrite(data, log)),
    async open () {
      environment = await openEnvironment({ policy, data, unknown, log })
      if (onChange !== undefined) environment.onChange(onChange)
    },
    peek: decideNow,
    mapUrl (method, url) {
      try {
        return opened().engine.mapUrl(method, url) as MappedUrl | undefined
      } catch (error) {
        throw failed(error)
      }
    },
    decide (query, deadline, trace) {
      if (trace !== undefined) trace.source = 'embedded'
      const decision = trace === undefined ? decideNow(query) : explainNow(query)
      inTime(deadline)
      return decision
    },
    async permissions ({ user, tenants, resources, resourceTypes, context }, deadline) {
      const engine = engineNow()
      const filter = { tenants, resources, resource_types: resourceTypes, context }
      return answer(engine, engine.stepsOfUserPermissions(user, filter), deadline)
    },
    async plan (question, deadline, bound) {
      const [{ stepsOfPlan }, { NoPlanError }] = [await loadPlanner(), await loadPlanQuery()]
      try {
        const engine = engineNow()
        const { plan, validFor } = await answer(engine, stepsOfPlan(engine.planning(question)), deadline)
        if (bound !== undefined) bound.validFor = validFor
        return plan
      } catch (error) {
        throw error instanceof NoPlanError ? new PlanError(error.message) : error
      }
    },
    async * search (question, { deadline, limit }) {
      const { stepsOfSearchPage } = await loadSearchPage()
      // One engine for all pages, because a place is a place in its facts.
      const engine = engineNow()
      if (question.find === 'tenants') {
        yield await answer(engine, tenantsOf(engine, question), deadline())
        return
      }
      let from: SearchPlace | undefined
      do {
        const end = deadline()
        goOn(engine, end)
        const { found, next } = await answer(engine, stepsOfSearchPage(engine, question, Math.min(limit, PAGE), from), end)
        from = next
        yield found.map(({ key }) => key)
      } while (from !== undefined)
    },
    health () {
      if (environment === undefined) return { ok: false, pdp: 'embedded' }
      return performance.now() > environment.currentUntil
        ? { ok: false, pdp: 'embedded', reason: TOO_OLD }
        : { ok: true, pdp: 'embedded' }
    },
    stats: () => ({}),
    async close () {
      const closing = environment
      environment = undefined
      await closing?.close()
    }
  }
}

/** A denial whose reason is only completed when it is read, for a log or an error: most denials, as in a filter, are never explained. */
class Denied implements Decision {
  readonly allow = false
  readonly code: string
  declare readonly validFor?: number
  readonly #reason: string
  readonly #engine: DecisionEngine
  readonly #query: Query

  constructor ({ code, reason, validFor }: Verdict, engine: DecisionEngine, query: Query) {
    this.code = code
    if (validFor !== undefined) this.validFor = validFor
    this.#reason = reason
    this.#engine = engine
    this.#query = query
  }

  /** The reason in short, and the nearest miss. */
  get reason (): string {
    const miss = this.#engine.nearestMiss(this.#query)
    return miss === undefined ? this.#reason : `${this.#reason}; ${miss}`
  }
}

const TOO_OLD = 'the process that has the data folder does not answer, so the facts may be too old'

function tooOld (): Error {
  return new UnavailableError(new PdpError('network', TOO_OLD))
}

/** Tenants as Permit's PDP lists them, with `context.optimized` of its own taken out: it would leave out what conditions open. */
function * tenantsOf (
  engine: DecisionEngine, { user, access, context = {} }: Extract<SearchQuestion, { find: 'tenants' }>
): Generator<undefined, string[]> {
  if (access === undefined) return (yield * engine.stepsOfUserTenants(user)).map(({ key }) => key)
  const { optimized: _optimized, ...circumstances } = context
  const allowed = yield * engine.stepsOfAllTenants({ user, ...access, context: circumstances })
  return allowed.map(({ tenant }) => tenant.key)
}

function inTime (deadline: number): void {
  if (performance.now() > deadline) throw new UnavailableError(new PdpError('timeout', 'the embedded PDP exceeded the deadline'))
}

async function openEnvironment (options: Pick<EmbeddedPdpOptions, 'policy' | 'data' | 'unknown' | 'log'>): Promise<Environment> {
  try {
    // An app without a folder does not load the check of what other processes send.
    const shared = options.data !== undefined
    return await Environment.open({ ...options, shared, perform: shared ? await performer() : performOwn })
  } catch (error) {
    if (error instanceof PolicyError) throw new PolicyFileError(error.message)
    throw error
  }
}
