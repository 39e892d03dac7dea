// `permit(options)` for Express: options in; a middleware, the app's view of it, and its clean-up out.
import type { Server } from 'node:net'
import type { Request, Response } from 'express'
import { AuditTrail } from '../observe/audit-trail.js'
import type { GuardOptions } from '../guard/guard-options.js'
import { RequestCaller } from '../guard/caller.js'
import { prepare } from '../app/opening.js'
import { Permit } from '../app/app-permit.js'
import { RequestPermit } from '../app/request-permit.js'
import { OptionsError } from '../contract/errors.js'
import { isNearly } from '../kit/suggest.js'
import { guardOf } from './guard.js'
import { logOf } from './log.js'
import { enter, scopeOf, type Scope } from './permit-scope.js'
import type { Annotation, Guard, Middleware, PermitOptions, RequestPermit as ExpressRequestPermit } from './express-types.js'
import { Gate, untilOpen } from './until-open.js'
import { updatesHandler } from './updates-handler.js'

declare global {
  namespace Express {
    interface Request {
      /** Questions in the name of the request's user. There for requests that have come through `permit(…)`. */
      permit: ExpressRequestPermit
    }
  }
}

/** What `permit(options)` returns: the middleware, and what an app wants of it besides. */
export interface ExpressPermit extends Middleware {
  /** Questions outside of a request, the user first; writes; counters and health. */
  readonly permit: Permit
  /** {@link guard}, but always decided by these options: for an app with several. */
  guard (requirement: Annotation, options?: GuardOptions): Guard
  /**
   * Resolves when decisions can be had; rejects with why they never will: `PolicyFileError`, `DataError`. Requests need
   * not wait for it, they do so themselves; await it before you listen, so that a process that cannot work does not start.
   */
  ready (): Promise<void>
  /** Lets checks in flight finish within the deadline of a check, then lets go of sockets, timers and files. What is asked afterwards is 503. */
  close (): Promise<void>
  /** Closes when the server has closed. Returns the server: `const server = authz.closeWith(app.listen(3000))`. */
  closeWith<S extends Server> (server: S): S
}

/**
 * The middleware that puts `req.permit` on requests, and is in charge of the guards after it. Guards nothing by itself: see `guard`.
 *
 * Opening begins at once, and the first requests wait for it, within the deadline of a check.
 * @throws `OptionsError` when an option is wrong. What is wrong with a policy file is in `ready()`, and in the log; nobody gets in then.
 */
export function permit (options: PermitOptions): ExpressPermit {
  const { log: given, ...others }: PermitOptions = isObject(options) ? options : refuseOptions()
  // Express does not tell what routes there are: to take the option and look at none would be a promise that is not kept.
  for (const name of ['strict', 'openapi']) {
    if (name in others) throw new OptionsError(`option "${name}" is given; expected it with Fastify only: Express does not tell which routes there are`)
  }
  // What Fastify reads of the options of a plugin, and this adapter would not hear of.
  for (const name of ['prefix', 'logLevel', 'logSerializers']) {
    if (name in others) throw new OptionsError(`option "${name}" is not known in Express`)
  }
  // The log is this adapter's own option: the others do not know it.
  const nearly = Object.keys(others).find(name => isNearly(name, 'log'))
  if (nearly !== undefined) throw new OptionsError(`option "${nearly}" is not known; did you mean "log"?`)
  const log = logOf(given)
  const gate = new Gate()
  const prepared = prepare<Request, Response>(others, {
    env: process.env, log, caller: request => new RequestCaller(request), requestId: () => undefined, response: ({ res }) => res
  })
  const path = untilOpen(prepared, gate)
  const { enforcement, checks, writer, observation, options: { updates, onDenied, onDecision }, open, close: closeAll } = prepared.around(path)
  const scope: Scope = { enforcement, log, onDenied }
  const report = updates === undefined ? undefined : updatesHandler(updates, affected => checks.forget(affected))
  // A guard of these options may be reached by a request that has not come through the middleware.
  const awaited = new WeakSet<object>()
  const trail = onDecision === undefined
    ? undefined
    : new AuditTrail<Request>(onDecision, error => log.error({ err: error }, 'permit: the option onDecision threw; this is said once'), request => awaited.has(request))
  if (trail !== undefined) observation.add(trail)

  const opening = open()
  opening.then(() => gate.open(), (error: unknown) => {
    gate.fail()
    log.error({ err: error }, 'permit: could not start, nobody gets in')
  })

  const middleware: Middleware = (message, response, next) => {
    const request = message as Request
    if (report?.(request, response) === true) return
    try {
      enter(request, scope, middleware)
      Object.defineProperty(request, 'permit', PERMIT)
    } catch (error) {
      next(error)
      return
    }
    // After the answer, or when nobody waits for it any more.
    if (trail !== undefined && !awaited.has(request)) {
      awaited.add(request)
      response.once('close', () => trail.answered(request))
    }
    next()
  }

  let closing: Promise<void> | undefined
  const close = async (): Promise<void> => {
    // What is being opened could not be closed: it would be left behind.
    await opening.catch(() => {})
    await closeAll()
  }

  const authz: Omit<ExpressPermit, keyof Middleware> = {
    permit: new Permit(checks, writer),
    guard: (requirement, options) => guardOf(scope, requirement, options),
    ready: () => opening,
    close: () => (closing ??= close()),
    closeWith (server) {
      server.once('close', () => {
        authz.close().catch((error: unknown) => log.error({ err: error }, 'permit: could not be closed'))
      })
      return server
    }
  }
  return Object.assign(middleware, authz)
}

/** `req.permit`, asked anew each time which scope is in charge. */
const PERMIT: PropertyDescriptor & ThisType<Request> = {
  configurable: true,
  enumerable: true,
  get () {
    const scope = scopeOf(this)
    return scope === undefined ? undefined : new RequestPermit(this, scope.enforcement)
  },
  set (value: unknown) { Object.defineProperty(this, 'permit', { configurable: true, enumerable: true, writable: true, value }) }
}

function isObject (value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function refuseOptions (): never {
  throw new OptionsError('permit() was called without options; expected an object')
}
