// Delays checks until the PDP is open, because Express calls handlers at once.
import { Generations } from '../decision/generations.js'
import type { PathOptions } from '../decision/path-options.js'
import type { DecisionPath } from '../decision/path.js'
import { PdpError, UnavailableError } from '../contract/errors.js'
import type { Caller, Decision, Outcome, Query, Trace } from '../contract/point.js'
import { loadOnce } from '../kit/load-once.js'
import type { MaybePromise } from '../kit/maybe-promise.js'

const loadPlans = loadOnce(() => import('../decision/plans.js'))
const loadSearch = loadOnce(() => import('../decision/search.js'))

/** Whether the PDP is open, is not open yet, or failed to open. */
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

  /** Resolves when the PDP is open. Rejects with the error for 503 when it is not open by `deadline`, or failed to open. */
  async wait (deadline: number): Promise<void> {
    if (this.#state === 'opening') await this.#settledBy(deadline)
    if (this.#state === 'opening') throw new UnavailableError(new PdpError('timeout', 'fastify-permit was not ready in time'))
    if (this.#state === 'failed') {
      throw new UnavailableError(new PdpError('closed', 'fastify-permit could not start; see the error in the log'))
    }
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

/** What {@link untilOpen} needs to load a decision path. */
export interface Loading {
  readonly options: Pick<PathOptions, 'origin' | 'cache' | 'timeout'>
  load (generations: Generations): Promise<DecisionPath>
}

/**
 * How long a check waits for the PDP to open, ms. Its own deadline starts after that: that modules are loaded and a policy is read must not
 * cost the first requests their answers.
 */
const MAX_OPENING = 10_000

/** Puts a gate before the decision path. After the gate has opened, it costs one call. Loading starts at once. */
export function untilOpen ({ options: { origin, cache, timeout }, load }: Loading, gate: Gate): DecisionPath {
  const early = new Generations()
  let loaded: DecisionPath | undefined
  const loading = load(early).then(path => {
    // With a bus there are other generations, and other instances to tell.
    if (path.generations !== early && early.invalidations > 0) path.generations.invalidate()
    return (loaded = path)
  })
  // The error is reported by `open()`.
  loading.catch(() => {})
  const name = origin.kind === 'policy' ? 'embedded' : origin.urls.map(url => url.origin + url.pathname.replace(/\/+$/, '')).join(', ')

  // The gate opens after the path was loaded.
  function opened (): DecisionPath {
    if (loaded === undefined) throw new UnavailableError(new PdpError('closed', 'fastify-permit is not open'))
    return loaded
  }

  /** Waits until the gate is open, and returns the deadline of a check that had this one when it was asked. */
  async function whenOpen (deadline: number): Promise<number> {
    const asked = performance.now()
    await gate.wait(asked + Math.max(MAX_OPENING, deadline - asked))
    return performance.now() + deadline - asked
  }

  return {
    get generations () { return loaded?.generations ?? early },
    get bus () { return loaded?.bus },
    get listOutage () { return loaded?.listOutage },
    environment: () => loaded?.environment?.(),
    cache,
    opened: () => gate.isOpen ? undefined : gate.wait(performance.now() + MAX_OPENING),
    get atHand () { return origin.kind === 'policy' && cache === false ? 'embedded' : 'cache' },
    get bulkConcurrency () { return loaded?.bulkConcurrency ?? 1 },
    get filterConcurrency () { return loaded?.filterConcurrency ?? 1 },
    async close (deadline) {
      await (await loading).close(deadline)
    },
    point: {
      peek: (query: Query): Decision | undefined => gate.isOpen ? opened().point.peek(query) : undefined,
      decide (query: Query, deadline: number, trace?: Trace, caller?: Caller): MaybePromise<Decision> {
        if (gate.isOpen) return opened().point.decide(query, deadline, trace, caller)
        return whenOpen(deadline).then(deadline => opened().point.decide(query, deadline, trace, caller))
      },
      ask (query: Query, deadline: number, outcome: Outcome, trace: Trace, caller?: Caller): void {
        if (gate.isOpen) {
          opened().point.ask(query, deadline, outcome, trace, caller)
          return
        }
        whenOpen(deadline).then(deadline => opened().point.ask(query, deadline, outcome, trace, caller)).catch(error => outcome.fail(error))
      },
      stats: () => loaded?.point.stats() ?? { checks: { allowed: 0, denied: 0, failed: 0 } }
    },
    pdp: {
      get name () { return loaded?.pdp.name ?? name },
      async open () {
        await (await loading).pdp.open()
      },
      ...(origin.kind === 'policy' ? { mapUrl: (method: string, url: string) => opened().pdp.mapUrl?.(method, url) } : {}),
      decidesUrls: origin.kind === 'pdp' && origin.authzen === undefined,
      mistakeIn: (type, isType, tenant) => opened().pdp.mistakeIn?.(type, isType, tenant),
      async probeWith (query) {
        await opened().pdp.probeWith?.(query)
      },
      peek: query => opened().pdp.peek(query),
      decide: (query, deadline, trace, caller) => opened().pdp.decide(query, deadline, trace, caller),
      stats: () => loaded?.pdp.stats() ?? {},
      async close (deadline) {
        await (await loading).pdp.close(deadline)
      },
      async permissions (question, deadline) {
        const end = await whenOpen(deadline)
        return opened().pdp.permissions(question, end)
      },
      async plan (question, deadline) {
        const end = await whenOpen(deadline)
        const { planBy } = await loadPlans()
        return planBy(opened().pdp, question, end)
      },
      async * search (question, asking) {
        await whenOpen(asking.deadline())
        const { searchBy } = await loadSearch()
        yield * searchBy(opened().pdp, question, asking)
      },
      async health (deadline) {
        // Does not wait for the gate, so that it reports a PDP that is not open.
        return gate.isOpen ? opened().pdp.health(deadline) : { ok: false, pdp: loaded?.pdp.name ?? name, reason: 'it has not started' }
      }
    },
    facts: {
      async apply (mutation) {
        await whenOpen(performance.now() + timeout)
        return opened().facts.apply(mutation)
      }
    }
  }
}
