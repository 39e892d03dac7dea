// The inspector of a local PDP: its page, for this machine, and what it sees of the decisions.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { PdpError } from '../../contract/errors.js'
import type { DecisionPointStats, Query } from '../../contract/point.js'
import { WorkLimitError } from '../../engine/engine.js'
import type { EngineQuery } from '../../engine/engine-query.js'
import type { Environment } from '../../environment/environment.js'
import { openInspector } from '../../inspector/inspector.js'
import type { DecisionFeed } from '../../inspector/decision-feed.js'
import type { ListOutcome } from '../../observe/observation.js'
import { passwordCheck } from './bearer.js'
import { CLIENT_CLOSED, Failure } from './error-responses.js'
import type { Watch } from './mount.js'
import type { Decider } from './route.js'

/** The path of the page. */
const PATH = '/_permit'

/** What the inspector of a local PDP is made of. */
export interface LocalInspectorOptions {
  readonly token: string | undefined
  /** Whether attribute values are shown. */
  readonly attributes: boolean
}

/**
 * Serves the page.
 * @returns what shows decisions, plans and searches to the page
 */
export async function inspectLocalPdp (
  app: FastifyInstance, environment: Environment, { token, attributes }: LocalInspectorOptions
): Promise<Watch> {
  const checks = { allowed: 0, denied: 0, failed: 0 }
  const stats = (): DecisionPointStats => ({ checks: { ...checks } })
  const inspector = await openInspector({
    path: PATH,
    attributes,
    log: app.log,
    inspected: { path: { environment: () => environment }, timeout: Infinity, checks: { stats } },
    noRoutes: 'The local PDP does not know the routes of apps. Their own inspectors show them.',
    isGuarded: false,
    isKnown: token === undefined ? undefined : passwordCheck(token),
    routeOf: asker => {
      const { method, routeOptions: { url } } = asker as FastifyRequest
      return `${method} ${url}`
    }
  })
  for (const url of [PATH, `${PATH}/*`]) {
    app.get<{ Params: { '*'?: string } }>(url, { exposeHeadRoute: false }, (request, reply) => {
      reply.hijack()
      inspector.handle(request.raw, reply.raw, request.params['*'])
    })
  }
  // Before the server waits for its connections.
  app.addHook('preClose', async () => inspector.close())
  return {
    deciderOf: request => watched(environment, inspector.feed, checks, request),
    async list (request, listing, handle) {
      const start = performance.now()
      const ended = (outcome: Omit<ListOutcome, 'source' | 'duration'>): void => {
        const duration = performance.now() - start
        inspector.feed.listEnded(listing.question(request.body), { ...outcome, source: 'embedded', duration }, request)
      }
      try {
        const answer = await handle()
        ended(listing.outcome(answer.body))
        return answer
      } catch (error) {
        if (!isRefusal(error)) ended({ error: shownError(error), aborted: error instanceof Failure })
        throw error
      }
    }
  }
}

/** Whether the request is wrong: then nothing was asked. The client that has disconnected has asked. */
function isRefusal (error: unknown): boolean {
  return error instanceof Failure && error.status !== CLIENT_CLOSED
}

/** With the word that the page has for it. */
function shownError (error: unknown): unknown {
  return error instanceof WorkLimitError ? new PdpError('overload', error.message) : error
}

type Counts = Record<'allowed' | 'denied' | 'failed', number>

/** The engine, whose decisions are told to the feed. */
function watched (environment: Environment, feed: DecisionFeed, counts: Counts, request: FastifyRequest): Decider {
  function watch<T extends { readonly allow: boolean }> (query: EngineQuery, decide: () => T): T {
    const start = performance.now()
    // The wire is JSON. The key is for caches, of which there is none.
    const shown = { ...query, key: '' } as Query
    try {
      const decision = decide()
      counts[decision.allow ? 'allowed' : 'denied']++
      feed.ended(shown, { decision, source: 'embedded', duration: performance.now() - start }, request)
      return decision
    } catch (error) {
      counts.failed++
      feed.ended(shown, { error: shownError(error), source: 'embedded', duration: performance.now() - start }, request)
      throw error
    }
  }
  return {
    decide: (query, work) => watch(query, () => environment.engine.decide(query, work)),
    explain: (query, work) => watch(query, () => environment.engine.explain(query, work))
  }
}
