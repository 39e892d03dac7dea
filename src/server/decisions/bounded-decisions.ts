// Many decisions for one request: in turns, within a budget of work, and explained only as long as the answer stays in proportion to the request.
import { DECISION_STEPS, Work } from '../../engine/engine.js'
import type { Debug } from '../../engine/explain/explain.js'
import type { EngineQuery } from '../../engine/engine-query.js'
import type { DecisionEngine } from '../../environment/environment.js'

/** Steps of work for each of many decisions, in addition to the steps of one. */
const STEPS_EACH = 5_000

/** Characters of explanations: some for every answer, and some for each byte of the request. */
const EXPLANATIONS = 16 * 1024
const EXPLANATIONS_PER_BYTE = 2

/** What the answer to one request may explain. When it is used up, decisions come without an explanation. */
export class Explanations {
  readonly #wanted: boolean
  #left: number

  /**
   * @param wanted - false when answers explain nothing
   * @param bytes - the size of the request
   */
  constructor (wanted: boolean, bytes: number) {
    this.#wanted = wanted
    this.#left = EXPLANATIONS + bytes * EXPLANATIONS_PER_BYTE
  }

  /** Whether there is room for another. */
  get some (): boolean {
    return this.#wanted && this.#left > 0
  }

  /** The explanation, or undefined when there is no room for it. */
  take<T> (explain: () => T): T | undefined {
    return this.some ? this.takeAnyway(explain) : undefined
  }

  /** The same of what is said even where nothing is explained. */
  takeAnyway<T> (explain: () => T): T | undefined {
    if (this.#left <= 0) return undefined
    const explanation = explain()
    this.#left -= JSON.stringify(explanation)?.length ?? 0
    return this.#left > 0 ? explanation : undefined
  }
}

/**
 * Decides, in steps.
 *
 * @param answer - the answer to a query
 * @param last - the first decision of this kind ends the batch
 * @param other - the answer to an item that is no query; it counts as a no
 */
export function * decideMany<T, O = never> (
  engine: DecisionEngine,
  queries: ReadonlyArray<EngineQuery | O>,
  explanations: Explanations,
  answer: (allow: boolean, debug: Debug | undefined) => T,
  last?: boolean,
  other?: (item: O) => T
): Generator<undefined, T[]> {
  const work = new Work(DECISION_STEPS + queries.length * STEPS_EACH)
  const answers: T[] = []
  for (const query of queries) {
    let allow = false
    if (isQuery(query)) {
      work.begin()
      const decision = explanations.some ? engine.explain(query, work) : engine.decide(query, work)
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
