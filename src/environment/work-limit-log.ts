// Reports decisions that took too much work: logs the place in the policy, and does not repeat it for each request.
import { formatPath } from '../engine/policy/problems.js'
import type { WorkLimitError, WorkPlace } from '../engine/engine.js'

/** The log, for example a pino logger. */
interface Log {
  warn (details: object, message: string): void
}

/** The interval between two log lines about the same place, ms. */
const AGAIN = 60_000

/** The most places that are remembered. */
const MAX_PLACES = 100

/** The source of a policy. */
interface PolicySource {
  readonly file: string | undefined
  /** The line of a part of the policy; undefined when it is unknown. */
  lineOf (place: WorkPlace): number | undefined
}

/** Decisions that failed because they would have taken too much work. */
export class WorkLimitLog {
  readonly #log: Log | undefined
  readonly #clock: { now (): number }
  readonly #said = new Map<string, number>()

  /** @param clock - for tests; default: the monotonic clock of the process */
  constructor (log: Log | undefined, clock: { now (): number } = performance) {
    this.#log = log
    this.#clock = clock
  }

  /** Logs the problem and returns it as a message. */
  note ({ message, place, rule }: WorkLimitError, source: PolicySource): string {
    const where = describe(place, source)
    const forRule = rule === undefined ? '' : `, for ${describe(rule, source)}`
    const sentence = where === '' ? message : `${message}, at ${where}${forRule}`
    if (this.#isNews(sentence)) {
      const details = {
        failure: 'overload',
        place: formatPath(place),
        ...(rule === undefined ? {} : { rule: formatPath(rule) }),
        file: source.file,
        line: source.lineOf(place)
      }
      this.#log?.warn({ permit: details }, `permit: no decision: ${sentence}; use smaller attributes, or a policy that compares less`)
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
