// The work budget of a decision: how much a policy and a query may cost together before the decision fails.

/** A path in a policy document. */
export type WorkPlace = ReadonlyArray<string | number>

/** The most steps of one decision: comparisons, rules, steps along relationships. About ten milliseconds at worst. */
export const DECISION_STEPS = 250_000

/** The most steps of one question that needs many decisions, such as what a user may do. */
export const QUESTION_STEPS = 50_000_000

/** The most permissions, roles, tenants and users in one answer. */
const ANSWER_ENTRIES = 250_000

/** The decision failed, because it would take more work than the budget allows. */
export class WorkLimitError extends Error {
  override readonly name = 'WorkLimitError'
  /** The part of the policy that was evaluated; empty when it was not a part of the policy. */
  readonly place: WorkPlace
  /** The rule that it was evaluated for. */
  readonly rule: WorkPlace | undefined

  constructor (message: string, place: WorkPlace = [], rule?: WorkPlace) {
    super(message)
    this.place = place
    this.rule = rule
  }
}

const NOWHERE: WorkPlace = []

/** Counts the steps of each decision, and of all decisions of a question together. */
export class WorkBudget {
  /** The part of the policy that is being evaluated: a user set, a resource set, a role. */
  place: WorkPlace = NOWHERE
  /** The index of the rule that it is evaluated for. */
  rule = -1
  /** The sizes of large values that were already counted for this decision. */
  readonly counts = new Map<object, number>()
  /** The steps left for this decision, and those at its start. */
  #left: number
  #budget: number
  /** The steps left for all decisions together, at the start of this decision. */
  #rest: number
  #entries = 0

  /** @param steps - for all decisions together */
  constructor (steps = Infinity) {
    this.#rest = steps
    this.#left = this.#budget = Math.min(DECISION_STEPS, steps)
  }

  /** Starts the next decision. */
  begin (): void {
    this.#rest -= this.#budget - this.#left
    this.#left = this.#budget = Math.min(DECISION_STEPS, this.#rest)
    if (this.counts.size > 0) this.counts.clear()
    this.place = NOWHERE
    this.rule = -1
  }

  /** The steps left for all decisions together. */
  get left (): number {
    return this.#rest - (this.#budget - this.#left)
  }

  /** @throws {@link WorkLimitError} when the budget is exceeded */
  spend (steps: number): void {
    if ((this.#left -= steps) < 0) this.#exceeded()
  }

  /** Counts the search through a text. */
  read (length: number): void {
    this.spend(1 + (length >>> 5))
  }

  /** Counts entries of the answer. */
  list (entries: number): void {
    this.spend(entries)
    if ((this.#entries += entries) > ANSWER_ENTRIES) this.#fail(`the answer has more than ${ANSWER_ENTRIES} entries`)
  }

  #exceeded (): never {
    this.#fail(this.#budget < DECISION_STEPS
      ? 'the question exceeds the limit of work for one question'
      : `the decision takes more than ${DECISION_STEPS} steps of work`)
  }

  #fail (message: string): never {
    throw new WorkLimitError(message, this.place, this.rule === -1 ? undefined : ['set_rules', this.rule])
  }
}
