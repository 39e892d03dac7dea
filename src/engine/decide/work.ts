// The budget of a decision: how much work a policy and a question may make together before there is no decision.

/** Where in a policy document the work was. */
export type WorkPlace = ReadonlyArray<string | number>

/** Steps of one decision: a comparison, a rule, a step along a relationship. Ten milliseconds or so at worst. */
export const DECISION_STEPS = 250_000

/** Steps of one question that takes many decisions, such as what a user may do. */
export const QUESTION_STEPS = 50_000_000

/** Permissions, roles, tenants and users that one answer lists. */
const ANSWER_ENTRIES = 250_000

/** There is no decision: it would take more work than any may. */
export class WorkLimitError extends Error {
  override readonly name = 'WorkLimitError'
  /** What was looked at, in the policy document; empty when it was no part of it. */
  readonly place: WorkPlace
  /** The rule that it was looked at for. */
  readonly rule: WorkPlace | undefined

  constructor (message: string, place: WorkPlace = [], rule?: WorkPlace) {
    super(message)
    this.place = place
    this.rule = rule
  }
}

const NOWHERE: WorkPlace = []

/** Counts the steps of decisions, each by itself and all of them together. */
export class Work {
  /** What is looked at now: a user set, a resource set, a role. */
  place: WorkPlace = NOWHERE
  /** The rule that it is looked at for, from 0. */
  rule = -1
  /** Sizes of large values that were counted for this decision. */
  readonly counts = new Map<object, number>()
  /** Of this decision, and what it began with. */
  #left: number
  #budget: number
  /** Of all decisions together, as of the beginning of this one. */
  #rest: number
  #entries = 0

  /** @param steps - of all decisions together */
  constructor (steps = Infinity) {
    this.#rest = steps
    this.#left = this.#budget = Math.min(DECISION_STEPS, steps)
  }

  /** The next decision begins. */
  begin (): void {
    this.#rest -= this.#budget - this.#left
    this.#left = this.#budget = Math.min(DECISION_STEPS, this.#rest)
    if (this.counts.size > 0) this.counts.clear()
    this.place = NOWHERE
    this.rule = -1
  }

  /** @throws {@link WorkLimitError} when it is too much */
  spend (steps: number): void {
    if ((this.#left -= steps) < 0) this.#exceeded()
  }

  /** A text is looked through. */
  read (length: number): void {
    this.spend(1 + (length >>> 5))
  }

  /** The answer gets longer. */
  list (entries: number): void {
    this.spend(entries)
    if ((this.#entries += entries) > ANSWER_ENTRIES) this.#fail(`the answer has more than ${ANSWER_ENTRIES} entries`)
  }

  #exceeded (): never {
    this.#fail(this.#budget < DECISION_STEPS ? 'the question takes more work than one may' : `the decision takes more than ${DECISION_STEPS} steps of work`)
  }

  #fail (message: string): never {
    throw new WorkLimitError(message, this.place, this.rule === -1 ? undefined : ['set_rules', this.rule])
  }
}
