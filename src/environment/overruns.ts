// Says which part of a policy takes more work than a decision may: in the log with its place, and not for each request anew.
import { formatPath } from '../engine/policy/problems.js'
import type { WorkLimitError, WorkPlace } from '../engine/engine.js'

/** Where it is said; a pino logger is one. */
interface OverrunLog {
  warn (details: object, message: string): void
}

/** Of one place it is said this often, ms. */
const AGAIN = 60_000

/** Places that are remembered. */
const MAX_PLACES = 100

/** Where a policy is. */
interface PolicySource {
  readonly file: string | undefined
  /** The line of a part of it, where that is known. */
  lineOf (place: WorkPlace): number | undefined
}

/** Decisions that were not made because they would take too much work. */
export class Overruns {
  readonly #log: OverrunLog | undefined
  readonly #clock: { now (): number }
  readonly #said = new Map<string, number>()

  /** @param clock - for tests; default: the process's monotonic clock */
  constructor (log: OverrunLog | undefined, clock: { now (): number } = performance) {
    this.#log = log
    this.#clock = clock
  }

  /** Says it in the log. Returns what happened as a sentence. */
  note ({ message, place, rule }: WorkLimitError, source: PolicySource): string {
    const where = describe(place, source)
    const forRule = rule === undefined ? '' : `, for ${describe(rule, source)}`
    const sentence = where === '' ? message : `${message}, at ${where}${forRule}`
    if (this.#isNews(sentence)) {
      this.#log?.warn({ permit: { failure: 'overload', place: formatPath(place), ...(rule === undefined ? {} : { rule: formatPath(rule) }), file: source.file, line: source.lineOf(place) } },
        `permit: no decision: ${sentence}; give it smaller attributes, or write the policy so that it compares less`)
    }
    return sentence
  }

  #isNews (sentence: string): boolean {
    const now = this.#clock.now()
    const last = this.#said.get(sentence)
    if (last !== undefined && now - last < AGAIN) return false
    if (this.#said.size >= MAX_PLACES) this.#said.clear()
    this.#said.set(sentence, now)
    return true
  }
}

function describe (place: WorkPlace, { file, lineOf }: PolicySource): string {
  if (place.length === 0) return ''
  const line = lineOf(place)
  return file === undefined || line === undefined ? formatPath(place) : `${file}:${line} (${formatPath(place)})`
}
