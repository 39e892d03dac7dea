// From the options to everything that a framework's adapter needs: the one way in, so that no adapter opens a path of its own.
import type { ServerResponse } from 'node:http'
import { Checks } from '../decision/checks.js'
import { Observation } from '../observe/observation.js'
import { openPath, type DecisionPath } from '../decision/path.js'
import { createQuery } from '../decision/query.js'
import { openObservers, type Observers } from '../observe/observers.js'
import { resolveOptions, type ResolvedOptions } from './options/resolve.js'
import type { Caller } from '../contract/point.js'
import { Writer } from './write/writer.js'
import type { Enforcement } from '../guard/enforce.js'

/** Where the plugin says what an operator wants to know, in the shape that pino and Fastify have. */
export interface OpeningLog {
  debug (details: object, message: string): void
  info (details: object, message: string): void
  warn (details: object, message: string): void
  error (details: object, message: string): void
}

/** The options, put together. Until `open` has resolved nobody gets in. */
export interface Opening<R, Reply> {
  readonly enforcement: Enforcement<R>
  readonly checks: Checks
  readonly writer: Writer
  /** Where those are added who want to hear of checks. */
  readonly observation: Observation
  /** What a framework's adapter has to do itself. */
  readonly options: Pick<ResolvedOptions<R, Reply>, 'updates' | 'onDenied' | 'onDecision' | 'strict' | 'openapi'>
  /** Gets the decision point ready. Rejects when that cannot be: `PolicyFileError`, `DataError`. */
  open (): Promise<void>
  /**
   * What the policy in this process does not have of a permission, as a sentence with the nearest word that it has. Undefined when it has
   * it, and of a PDP elsewhere, which is not asked.
   */
  unknownWord (type: string, action: string): Promise<string | undefined>
  /** Lets checks in flight finish within the deadline of a check, then lets go of everything. */
  close (): Promise<void>
}

export interface OpeningContext<R> {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly log: OpeningLog
  /** Whoever waits for the answer to a request. */
  readonly caller: (request: R) => Caller | undefined
  /** The request's id in the app's log, where it has one. */
  readonly requestId: (request: R) => string | undefined
  /** What answers the request, where that can be told. */
  readonly response: (request: R) => ServerResponse | undefined
  /** Puts a stage of the framework's own before the path. */
  readonly wrap?: (path: DecisionPath, timeout: number) => DecisionPath
}

/**
 * Reads the options and puts the path together, which asks nobody and opens nothing yet.
 * @throws `OptionsError`
 */
export function prepare<R, Reply> (input: unknown, { env, log, caller, requestId, response, wrap }: OpeningContext<R>): Opening<R, Reply> {
  const options = resolveOptions<R, Reply>(input, env)
  const { origin, cache, timeout, user, tenant } = options
  const observation = new Observation(error => log.error({ err: error }, 'permit: somebody who watches checks threw'))
  const measures = options.metrics !== false || options.openTelemetry !== false
  const opened = openPath({ origin, cache, timeout }, log, measures ? questions => observation.sent(questions) : undefined)
  const path = wrap === undefined ? opened : wrap(opened, timeout)
  const checks = new Checks(path, timeout, observation)
  let observers: Observers | undefined
  return {
    enforcement: { checks, user, tenant, caller, requestId, response },
    checks,
    writer: new Writer(path.facts),
    observation,
    options,
    async open () {
      observers = await openObservers(options)
      for (const observer of observers.list) observation.add(observer)
      observers.read(() => checks.stats())
      await opened.pdp.open()
      log.debug({ permit: { pdp: origin.kind === 'pdp' ? opened.pdp.name : 'embedded', cache, timeout } }, 'permit: ready')
    },
    async unknownWord (type, action) {
      if (origin.kind !== 'policy') return undefined
      // Past the checks: this is nobody's question, and is not to be counted or told as one.
      const { code, reason } = await opened.pdp.decide(createQuery('nobody', action, type), Infinity, { source: undefined })
      return code === 'no_such_resource' || code === 'no_such_action' ? reason : undefined
    },
    async close () {
      await checks.close()
      observers?.close()
    }
  }
}
