// The option `shadow`: sends the same questions to another PDP or policy, after the request, and reports differences.
import { openPath, type DecisionPath } from '../decision/path.js'
import type { ShadowSettings } from './options/resolve.js'
import type { CheckObserver, CheckOutcome } from '../observe/observation.js'
import type { Decision, Query, ShadowStats } from '../contract/point.js'
import type { ShadowDifference } from '../contract/shadow-difference.js'
import { ignore, isThenable } from '../kit/maybe-promise.js'

/** The log of the shadow. */
interface ShadowLog {
  warn (details: object, message: string): void
  error (details: object, message: string): void
}

/** The shortest time between two log lines, ms. */
const LOG_EVERY = 1_000

/** A shadow. It never changes, delays or fails a decision. */
export class Shadow implements CheckObserver {
  readonly #path: DecisionPath
  readonly #settings: ShadowSettings
  readonly #timeout: number
  readonly #log: ShadowLog
  readonly #stats = { asked: 0, same: 0, different: 0, failed: 0, skipped: 0 }
  #inFlight = 0
  #idle: (() => void) | undefined
  #closing = false
  #loggedAt = -Infinity
  #reportFailed = false

  private constructor (path: DecisionPath, settings: ShadowSettings, timeout: number, log: ShadowLog) {
    this.#path = path
    this.#settings = settings
    this.#timeout = timeout
    this.#log = log
  }

  /**
   * Opens the shadow.
   *
   * @throws `PolicyFileError` when its policy is invalid
   */
  static async open (settings: ShadowSettings, timeout: number, log: ShadowLog): Promise<Shadow> {
    // Without a cache, so that age causes no differences; and without the outage log, because failures are counted.
    const path = await openPath({ origin: settings.origin, cache: false, timeout })
    await path.pdp.open()
    return new Shadow(path, settings, timeout, log)
  }

  get stats (): ShadowStats {
    return { ...this.#stats, inFlight: this.#inFlight }
  }

  /** A cached decision may be older than the data of the shadow, so only new decisions are compared. */
  ended (query: Query, { decision, source }: CheckOutcome): void {
    if (decision === undefined || source === 'cache' || source === 'stale' || this.#closing) return
    const { sample, max } = this.#settings
    if (sample < 1 && Math.random() >= sample) return
    if (this.#inFlight >= max) {
      this.#stats.skipped++
      return
    }
    this.#inFlight++
    this.#stats.asked++
    const { allow, code } = decision
    // After the request, because asking takes time.
    setImmediate(() => ignore(this.#ask(query, { allow: allow === true, code })))
  }

  async close (deadline: number): Promise<void> {
    this.#closing = true
    if (this.#inFlight > 0) {
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, Math.max(0, deadline - performance.now()))
        this.#idle = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    await this.#path.close(deadline)
  }

  async #ask (query: Query, decided: { readonly allow: boolean, readonly code: string | undefined }): Promise<void> {
    try {
      const decision = await this.#path.point.decide(query, performance.now() + this.#timeout)
      const allow = decision.allow === true
      if (allow === decided.allow) {
        this.#stats.same++
      } else {
        this.#stats.different++
        this.#tell(differenceOf(query, decided, decision))
      }
    } catch {
      // No decision is no difference. How many there are is in the counters.
      this.#stats.failed++
    } finally {
      this.#inFlight--
      if (this.#inFlight === 0) this.#idle?.()
    }
  }

  #tell (difference: ShadowDifference): void {
    const now = performance.now()
    if (now - this.#loggedAt >= LOG_EVERY) {
      this.#loggedAt = now
      const { time: _, ...shown } = difference
      this.#log.warn({ permit: { ...shown, different: this.#stats.different } }, 'permit: the shadow decides differently')
    }
    try {
      const result = this.#settings.report?.(difference)
      if (isThenable(result)) ignore(result.then(undefined, error => this.#failed(error)))
    } catch (error) {
      this.#failed(error)
    }
  }

  #failed (error: unknown): void {
    if (this.#reportFailed) return
    this.#reportFailed = true
    this.#log.error({ err: error }, 'permit: the function in the option "shadow.report" failed')
  }
}

function differenceOf (
  { user, action, resource }: Query, { allow, code }: { readonly allow: boolean, readonly code: string | undefined }, shadow: Decision
): ShadowDifference {
  return {
    user: user.key,
    action,
    resource: resource.key === undefined ? resource.type : `${resource.type}:${resource.key}`,
    tenant: resource.tenant,
    allow,
    ...(code === undefined ? {} : { code }),
    shadow: {
      allow: shadow.allow === true,
      ...(shadow.code === undefined ? {} : { code: shadow.code }),
      ...(shadow.reason === undefined ? {} : { reason: shadow.reason })
    },
    time: new Date()
  }
}
