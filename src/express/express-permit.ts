// `permit(options)` for Express: creates the middleware, and the functions for the app.
import type { Server } from 'node:net'
import type { Request, Response } from 'express'
import { AuditTrail } from '../observe/audit-trail.js'
import type { GuardOptions } from '../guard/guard-options.js'
import { RequestCaller } from '../guard/caller.js'
import { prepare } from '../app/open-plugin.js'
import { Permit } from '../app/app-permit.js'
import { RequestPermit } from '../app/request-permit.js'
import { OptionsError } from '../contract/errors.js'
import { isNearly } from '../kit/suggest.js'
import { guardOf } from './guard-middleware.js'
import { countPermit, MAX_KEPT, permissionsIn, requiredOfOnly } from './guard-requirements.js'
import { logOf } from './express-log.js'
import { enter, scopeOf, type Scope } from './permit-scope.js'
import type { Annotation, Guard, Middleware, PermitOptions, RequestPermit as ExpressRequestPermit } from './express-types.js'
import { Gate, untilOpen } from './until-open.js'
import { updatesHandler } from './updates-handler.js'

declare global {
  namespace Express {
    interface Request {
      /** Checks for the user of the request. Present after the request has passed through `permit(…)`. */
      permit: ExpressRequestPermit
    }
  }
}

/** The result of `permit(options)`: the middleware, with functions for the app. */
export interface ExpressPermit extends Middleware {
  /** Checks outside of a request, where the user is the first argument; also writes, counters and health. */
  readonly permit: Permit
  /** {@link guard} bound to these options, for apps with several `permit(…)`. */
  guard (requirement: Annotation, options?: GuardOptions): Guard
  /**
   * Resolves when the first decision is possible. Rejects with the reason when it never will be: `PolicyFileError`, `DataError`. Requests
   * wait by themselves, so this is optional; await it before `listen`, so that a process that cannot work does not start.
   */
  ready (): Promise<void>
  /** Waits for checks in flight, at most for the deadline of a check, then releases sockets, timers and files. Later checks get 503. */
  close (): Promise<void>
  /** Closes when the server closes. Returns the server: `const server = authz.closeWith(app.listen(3000))`. */
  closeWith<S extends Server> (server: S): S
}

/**
 * Creates the middleware that sets `req.permit` and configures the guards after it. It guards nothing by itself: see `guard`.
 *
 * The PDP is opened at once. The first requests wait for it, for ten seconds at most; the deadline of a check starts
 * after that.
 * @throws `OptionsError` when an option is wrong. An invalid policy file is reported by `ready()` and in the log; guards then answer 503.
 *
 * @example
 * ```ts
 * import express from 'express'
 * import { guard, permit } from 'fastify-permit/express'
 *
 * const app = express()
 * const authz = permit({ policy: './permit.yaml', user: request => request.get('x-user') })
 * app.use(authz)
 * app.post('/tasks', guard('task:create'), (_request, response) => { response.sendStatus(201) })
 *
 * await authz.ready()
 * authz.closeWith(app.listen(3000))
 * ```
 */
export function permit (options: PermitOptions): ExpressPermit {
  const { log: given, ...others }: PermitOptions = isObject(options) ? options : refuseOptions()
  // Express does not tell which routes there are, so these options could not work. With `urls.default`, no route would be guarded.
  for (const name of ['strict', 'openapi', 'routes', 'urls.default']) {
    if (name in others || (name === 'urls.default' && isObject(others.urls) && 'default' in others.urls)) {
      throw new OptionsError(`option "${name}" is given; expected only with Fastify, because Express does not tell which routes there are`)
    }
  }
  // Fastify itself reads these options of a plugin. They would have no effect here.
  for (const name of ['prefix', 'logLevel', 'logSerializers']) {
    if (name in others) throw new OptionsError(`option "${name}" is not known in Express`)
  }
  // The option `log` exists only in this adapter, so the other options' check does not know it.
  const nearly = Object.keys(others).find(name => isNearly(name, 'log'))
  if (nearly !== undefined) throw new OptionsError(`option "${nearly}" is not known; did you mean "log"?`)
  const log = logOf(given)
  const gate = new Gate()
  const prepared = prepare<Request, Response>(others, {
    env: process.env,
    log,
    caller: request => new RequestCaller(request),
    requestId: () => undefined,
    response: ({ res }) => res,
    logOf: () => log
  })
  countPermit()
  const path = untilOpen(prepared, gate)
  const opened = prepared.around(path)
  const { enforcement, checks, writer, observation, inspected, options: resolved, open, close: closeAll } = opened
  const { updates, onDenied, onDecision, inspector } = resolved
  const scope: Scope = { enforcement, log, onDenied }
  const report = updates === undefined ? undefined : updatesHandler(updates, affected => checks.forget(affected))
  // A request may reach a guard of these options without having passed through the middleware.
  const awaited = new WeakSet<object>()
  const reportError = (error: unknown): void => log.error({ err: error }, 'permit: the option onDecision threw (logged once)')
  const trail = onDecision === undefined
    ? undefined
    : new AuditTrail<Request>(onDecision, reportError, request => awaited.has(request))
  if (trail !== undefined) observation.add(trail)
  // Here, so that a mistake in it is thrown at once.
  const inspectorGuard = inspector?.guard === undefined ? undefined : guardOf(scope, inspector.guard)

  const inspecting = inspector === undefined
    ? undefined
    : import('./inspector-handler.js').then(({ inspectorHandler }) =>
      inspectorHandler(inspector, inspectorGuard, observation, inspected, log, enforcement.tenant !== undefined))
  // Its error is that of the opening.
  inspecting?.catch(() => {})
  /** What the guards of this `permit(…)` require. */
  const required: Annotation[] = []
  const permissionsOf = (annotation: Annotation) => permissionsIn(annotation, enforcement.tenant !== undefined)
  const opening = open().then(async () => {
    await inspecting
    for (const annotation of required) opened.requireAskable('guard()', permissionsOf(annotation))
  })
  opening.then(() => gate.open(), (error: unknown) => {
    gate.fail()
    log.error({ err: error }, 'permit: could not start; guarded routes answer 503')
  })
  const probed = opening.then(() => opened.probeWith([...required, ...requiredOfOnly()].flatMap(permissionsOf)))
  // Its error is that of the opening.
  probed.catch(() => {})

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
    // After the response, or when the client has disconnected.
    if (trail !== undefined && !awaited.has(request)) {
      awaited.add(request)
      response.once('close', () => trail.answered(request))
    }
    if (inspector !== undefined && isForInspector(inspector.path, request)) {
      inspecting?.then(({ middleware }) => middleware(request, response, next), next)
      return
    }
    next()
  }

  let closing: Promise<void> | undefined
  const close = async (): Promise<void> => {
    // Opening must have finished, because a half-opened PDP cannot be closed.
    await probed.catch(() => {})
    await inspecting?.then(({ close }) => close(), () => {})
    await closeAll()
  }

  const authz: Omit<ExpressPermit, keyof Middleware> = {
    permit: new Permit(checks, writer),
    guard (requirement, options) {
      const guard = guardOf(scope, requirement, options)
      if (required.length < MAX_KEPT) required.push(requirement)
      return guard
    },
    ready: () => probed,
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

/** `req.permit`. The scope is looked up on each access. */
const PERMIT: PropertyDescriptor & ThisType<Request> = {
  configurable: true,
  enumerable: true,
  get () {
    const scope = scopeOf(this)
    return scope === undefined ? undefined : new RequestPermit(this, scope.enforcement)
  },
  set (value: unknown) { Object.defineProperty(this, 'permit', { configurable: true, enumerable: true, writable: true, value }) }
}

/** Whether a request is for the page at this path, which is relative to the app or router that uses `permit(…)`, or for its data. */
function isForInspector (path: string, { url }: Request): boolean {
  return url.startsWith(path) && /^(?:$|[/?])/.test(url.slice(path.length))
}

function isObject (value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function refuseOptions (): never {
  throw new OptionsError('permit() was called without options; expected an object')
}
