// Searches: the resources, users or actions that a decision would allow, page by page. Not a hot path.
import type { EngineQuery } from '../engine-query.js'
import type { Facts } from '../facts/facts.js'
import { DECISION_STEPS, WorkBudget } from '../decide/work-budget.js'

/** What is searched for; everything else is as in the query that would be decided. */
export type SearchQuery =
  | {
    readonly find: 'resources'
    readonly user: EngineQuery['user']
    readonly action: string
    /** Without a tenant, instances of all tenants are found, each by what the user may do in its tenant. */
    readonly resource: { readonly type: string, readonly tenant?: string, readonly attributes?: Record<string, unknown> }
    readonly context?: EngineQuery['context']
  }
  | {
    readonly find: 'users'
    /** What every user is taken to have, in addition to what is stored. */
    readonly user?: Omit<EngineQuery['user'], 'key'>
    readonly action: string
    readonly resource: EngineQuery['resource']
    readonly context?: EngineQuery['context']
  }
  | {
    readonly find: 'actions'
    readonly user: EngineQuery['user']
    readonly resource: EngineQuery['resource']
    readonly context?: EngineQuery['context']
  }

/** A result: the key of a resource or a user, or the name of an action. */
export interface Found {
  readonly key: string
  /** The tenant of a resource. */
  readonly tenant?: string
}

/**
 * Where a page begins. Candidates come in the order of their creation. A removal moves those after it up by one place, so a page starts as
 * many places earlier as there were removals since: nothing is left out, and at worst something is found twice.
 */
export interface SearchPlace {
  readonly index: number
  readonly removals: number
}

/** A page, and where the next one begins; undefined on the last page. A page may have fewer results than asked for, even none. */
interface SearchPage {
  readonly found: readonly Found[]
  readonly next: SearchPlace | undefined
}

/** The part of the engine that a search needs. */
interface Searched {
  readonly facts: Pick<Facts, 'users' | 'resourceInstances' | 'removals'>
  decide (query: EngineQuery, work: WorkBudget): { readonly allow: boolean }
  actionsOf (type: string): Iterable<string>
}

/** The most results of a page. */
export const MAX_PAGE = 10_000

// A page also ends after a bounded number of decisions, steps, or characters of keys, so that it takes a fraction of a second.
const PAGE_DECISIONS = 100_000
const PAGE_STEPS = 2_500_000
const PAGE_CHARACTERS = 256 * 1024

/** Candidates that are skipped in one step, up to the start of the page. */
const SKIPPED_AT_ONCE = 256

/**
 * One page of a search, in steps.
 *
 * @param limit - the most results of the page; at most {@link MAX_PAGE} count
 * @param from - where the page begins; default: at the beginning
 */
export function * stepsOfSearchPage (
  engine: Searched, query: SearchQuery, limit: number, from?: SearchPlace
): Generator<undefined, SearchPage> {
  const { removals } = engine.facts
  const start = from === undefined ? 0 : Math.max(0, from.index - (removals - from.removals))
  const most = Math.min(limit, MAX_PAGE)
  const work = new WorkBudget(PAGE_STEPS)
  const found: Found[] = []
  let characters = 0
  let index = start - 1
  for (const candidate of candidates(engine, query, start)) {
    yield
    if (candidate === undefined) continue
    index++
    work.begin()
    const isOver = index - start >= PAGE_DECISIONS || work.left < DECISION_STEPS || characters >= PAGE_CHARACTERS
    if (isOver) return { found, next: { index, removals } }
    work.spend(1)
    const { result, question } = candidate
    if (!engine.decide(question, work).allow) continue
    if (found.length >= most) return { found, next: { index, removals } }
    found.push(result)
    characters += result.key.length + (result.tenant?.length ?? 0)
  }
  return { found, next: undefined }
}

interface Candidate {
  readonly result: Found
  readonly question: EngineQuery
}

/** The candidates from a place on. The places before it are passed over, many in one step, for which it gives undefined. */
function * candidates (engine: Searched, query: SearchQuery, start: number): Generator<Candidate | undefined> {
  const { context } = query
  let index = 0
  switch (query.find) {
    case 'resources': {
      const { user, action, resource: { type, tenant: only, attributes } } = query
      for (const { key, tenant } of engine.facts.resourceInstances({ resource: type, ...(only === undefined ? {} : { tenant: only }) })) {
        if (index++ >= start) {
          yield { result: { key, tenant }, question: { user, action, resource: { type, key, tenant, attributes }, context } }
        } else if (index % SKIPPED_AT_ONCE === 0) yield undefined
      }
      return
    }
    case 'users': {
      const { action, resource } = query
      for (const { key } of engine.facts.users()) {
        if (index++ >= start) yield { result: { key }, question: { user: { ...query.user, key }, action, resource, context } }
        else if (index % SKIPPED_AT_ONCE === 0) yield undefined
      }
      return
    }
    case 'actions': {
      const { user, resource } = query
      for (const action of engine.actionsOf(resource.type)) {
        if (index++ >= start) yield { result: { key: action }, question: { user, action, resource, context } }
      }
    }
  }
}
