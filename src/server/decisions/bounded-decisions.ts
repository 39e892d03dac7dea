// Decides many questions of one request: in turns with other requests, with a limit on the work and on the size of the explanations.
import { DECISION_STEPS, WorkBudget } from '../../engine/engine.js'
import type { Debug } from '../../engine/explain/explain.js'
import type { EngineQuery } from '../../engine/engine-query.js'
import type { Decider } from '../http/route.js'

/** Steps of work for each decision, in addition to the steps of a single decision. */
const STEPS_EACH = 5_000

/** Characters of explanations: a fixed number for each answer, and more for each byte of the request. */
const EXPLANATIONS = 32 * 1024
const EXPLANATIONS_PER_BYTE = 4

/** Limits the explanations in the answer to one request. After the limit, decisions come without an explanation. */
export class Explanations {
  readonly #wanted: boolean
  #left: number

  /**
   * @param wanted - false when answers contain no explanations
   * @param bytes - the size of the request
   */
  constructor (wanted: boolean, bytes: number) {
    this.#wanted = wanted
    this.#left = EXPLANATIONS + bytes * EXPLANATIONS_PER_BYTE
  }

  /** Whether the limit is not reached yet. */
  get some (): boolean {
    return this.#wanted && this.#left > 0
  }

  /** Returns the explanation, or undefined after the limit. */
  take<T> (explain: () => T): T | undefined {
    return this.some ? this.takeAnyway(explain) : undefined
  }

  /** Like {@link take}, but also when answers contain no explanations. */
  takeAnyway<T> (explain: () => T): T | undefined {
    if (this.#left <= 0) return undefined
    const explanation = explain()
    this.#left -= JSON.stringify(explanation)?.length ?? 0
    return this.#left > 0 ? explanation : undefined
  }
}

/**
 * Decides many queries, in steps.
 *
 * @param answer - creates the answer to a query
 * @param last - the first decision with this value ends the batch
 * @param other - creates the answer to an item that is not a query; such an item counts as a deny
 */
export function * decideMany<T, O = never> (
  decider: Decider,
  queries: ReadonlyArray<EngineQuery | O>,
  explanations: Explanations,
  answer: (allow: boolean, debug: Debug | undefined) => T,
  last?: boolean,
  other?: (item: O) => T
): Generator<undefined, T[]> {
  const work = new WorkBudget(DECISION_STEPS + queries.length * STEPS_EACH)
  const answers: T[] = []
  for (const query of queries) {
    let allow = false
    if (isQuery(query)) {
      work.begin()
      const decision = explanations.some ? decider.explain(query, work) : decider.decide(query, work)
      allow = decision.allow
      answers.push(answer(allow, 'debug' in decision ? explanations.take(() => decision.debug as Debug) : undefined))
    } else if (other !== undefined) {
      answers.push(other(query))
    }
    if (allow === last) break
    yield
  }
  return answers
}

function isQuery<O> (item: EngineQuery | O): item is EngineQuery {
  return typeof item === 'object' && item !== null && 'user' in item
}

/** Maps a list, in steps. */
export function * mapped<T, R> (items: readonly T[], map: (item: T) => R): Generator<undefined, R[]> {
  const all: R[] = []
  for (const item of items) {
    all.push(map(item))
    yield
  }
  return all
}
