// From the options to everything that a framework's adapter needs: the one way in, so that no adapter opens a path of its own.
import { Checks } from '../decision/checks.js'
import { openPath, type DecisionPath } from '../decision/path.js'
import { resolveOptions } from '../options.js'
import type { Caller } from '../pdp/point.js'
import { Writer } from '../write/writer.js'
import type { Enforcement } from './enforce.js'

/** Where the plugin says what an operator wants to know, in the shape that pino and Fastify have. */
export interface OpeningLog {
  debug (details: object, message: string): void
  info (details: object, message: string): void
  warn (details: object, message: string): void
}

/** The options, put together. Until `open` has resolved nobody gets in. */
export interface Opening<R> {
  readonly enforcement: Enforcement<R>
  readonly checks: Checks
  readonly writer: Writer
  /** Gets the decision point ready. Rejects when that cannot be: `PolicyFileError`, `DataError`. */
  open (): Promise<void>
}

export interface OpeningContext<R> {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly log: OpeningLog
  /** Whoever waits for the answer to a request. */
  readonly caller: (request: R) => Caller | undefined
  /** Puts a stage of the framework's own before the path. */
  readonly wrap?: (path: DecisionPath, timeout: number) => DecisionPath
}

/**
 * Reads the options and puts the path together, which asks nobody and opens nothing yet.
 * @throws `OptionsError`
 */
export function prepare<R> (input: unknown, { env, log, caller, wrap }: OpeningContext<R>): Opening<R> {
  const { origin, cache, timeout, user, tenant } = resolveOptions<R>(input, env)
  const opened = openPath({ origin, cache, timeout }, log)
  const path = wrap === undefined ? opened : wrap(opened, timeout)
  const checks = new Checks(path, timeout)
  return {
    enforcement: { checks, user, tenant, caller },
    checks,
    writer: new Writer(path.facts, user => checks.invalidate(user)),
    async open () {
      await opened.pdp.open()
      log.debug({ permit: { pdp: origin.kind === 'pdp' ? opened.pdp.name : 'embedded', cache, timeout } }, 'permit: ready')
    }
  }
}
