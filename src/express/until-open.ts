// Express calls handlers before anything has been waited for: what is asked meanwhile waits until the path is open.
import type { DecisionPath } from '../decision/path.js'
import { PdpError, UnavailableError } from '../contract/errors.js'
import type { Caller, Decision, Query, Trace } from '../contract/point.js'
import type { MaybePromise } from '../kit/whenever.js'

/** Whether the path is open: not yet, yes, or it never will be. */
export class Gate {
  #state: 'opening' | 'open' | 'failed' = 'opening'
  #settle!: () => void
  readonly #settled = new Promise<void>(resolve => { this.#settle = resolve })

  get isOpen (): boolean {
    return this.#state === 'open'
  }

  open (): void {
    this.#state = 'open'
    this.#settle()
  }

  fail (): void {
    this.#state = 'failed'
    this.#settle()
  }

  /** Resolves when it is open; rejects with the 503 when it is not by `deadline`, or never will be. */
  async wait (deadline: number): Promise<void> {
    if (this.#state === 'opening') await this.#settledBy(deadline)
    if (this.#state === 'opening') throw new UnavailableError(new PdpError('timeout', 'fastify-permit was not ready within the deadline'))
    if (this.#state === 'failed') throw new UnavailableError(new PdpError('closed', 'fastify-permit could not start: see what was logged then'))
  }

  async #settledBy (deadline: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>(resolve => { timer = setTimeout(resolve, Math.max(0, deadline - performance.now())) })
    try {
      await Promise.race([this.#settled, late])
    } finally {
      clearTimeout(timer)
    }
  }
}

/** The path, behind a gate. When that is open, it costs a call and nothing else. */
export function untilOpen (path: DecisionPath, gate: Gate, timeout: number): DecisionPath {
  const { point, pdp, facts } = path
  return {
    ...path,
    point: {
      peek: (query: Query): Decision | undefined => gate.isOpen ? point.peek(query) : undefined,
      decide (query: Query, deadline: number, trace?: Trace, caller?: Caller): MaybePromise<Decision> {
        if (gate.isOpen) return point.decide(query, deadline, trace, caller)
        return gate.wait(deadline).then(() => point.decide(query, deadline, trace, caller))
      },
      stats: () => point.stats()
    },
    pdp: {
      name: pdp.name,
      open: () => pdp.open(),
      peek: query => pdp.peek(query),
      decide: (query, deadline, trace, caller) => pdp.decide(query, deadline, trace, caller),
      stats: () => pdp.stats(),
      close: deadline => pdp.close(deadline),
      async permissions (question, deadline) {
        await gate.wait(deadline)
        return pdp.permissions(question, deadline)
      },
      async health (deadline) {
        // A health that waits would hide that it is not open.
        return gate.isOpen ? pdp.health(deadline) : { ok: false, pdp: pdp.name, reason: 'it has not started' }
      }
    },
    facts: {
      ...facts,
      async apply (mutation) {
        await gate.wait(performance.now() + timeout)
        return facts.apply(mutation)
      }
    }
  }
}
