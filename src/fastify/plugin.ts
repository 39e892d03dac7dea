// The Fastify plugin: reads the options, and adds decorators, hooks and their cleanup.
import fp from 'fastify-plugin'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { OptionsError } from '../contract/errors.js'
import { AppPermit } from './fastify-permit.js'
import { auditTrail } from './on-decision.js'
import { shareRouteTable } from './share-route-table.js'
import { watchOutside } from './routes-outside.js'
import { quietReply, responseOf } from './reply-of-request.js'
import { routeUrl } from './route-url.js'
import { RouteGuards, type RouteRules } from './route-guards.js'
import { descendantsOf } from './scopes.js'
import type { Annotation, PermitOptions } from './fastify-types.js'
import { warnOfUnknownWords } from './unknown-permissions.js'
import { declareUpdatesRoute } from './updates-route.js'
import { RequestCaller } from '../guard/caller.js'
import { prepare } from '../app/open-plugin.js'
import { RequestPermit } from '../app/request-permit.js'
import { strictness } from '../guard/strict.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** Checks outside of a request, where the user is the first argument; the guard as a hook; writes, counters and health. */
    permit: AppPermit
  }

  interface FastifyRequest {
    /** Checks for the user of the request. */
    permit: RequestPermit<FastifyRequest>
  }

  interface FastifyContextConfig {
    /** What the route requires, or `false` when it is public on purpose. */
    permit?: Annotation
  }
}

/**
 * Guards the annotated routes of a scope. Register it once; see {@link PermitOptions}.
 *
 * @throws `OptionsError` when an option is wrong, `PolicyFileError` when the policy is invalid, and `AnnotationError` when the annotation
 * of a route is invalid. The app does not start then.
 */
async function permit (app: FastifyInstance, input: PermitOptions): Promise<void> {
  if (app.hasDecorator('permit')) {
    throw new OptionsError('it is registered already, in this scope or in one around it; register it once, or in sibling scopes')
  }
  if (descendantsOf(app).some(scope => scope.hasDecorator('permit'))) {
    throw new OptionsError('it is registered already, in a scope inside of this one; register it once, or in sibling scopes')
  }
  // Before anything that can fail: if the app is used although it did not start, guarded routes refuse every request.
  const guards = new RouteGuards()
  guards.install(app)
  watchOutside(app)
  shareRouteTable(() => guards.rows())
  // Fastify adds a hook only in its turn, and never for a plugin that has failed by then.
  await app.after()

  const prepared = prepare<FastifyRequest, FastifyReply>(input, {
    env: process.env,
    log: app.log,
    caller: ({ raw, id }) => new RequestCaller(raw, id),
    requestId: ({ id }) => id,
    response: responseOf,
    logOf: ({ log }) => log,
    quiet: quietReply,
    readUrl: routeUrl
  })
  const opening = prepared.around(await prepared.load())
  const { enforcement: shared, checks, writer, observation, inspected, options, open, close } = opening
  const { updates, onDenied, onDecision, inspector, strict, openapi, routes } = options
  const enforcement = { ...shared, onDenied }
  if (onDecision !== undefined) observation.add(auditTrail(app, onDecision))
  // With a requirement for every route, a route that is not seen must not be open.
  const isStrict = strict !== false || enforcement.urls?.isDefault === true
  guards.start(enforcement, {
    strict: isStrict ? strictness(strict === false ? [] : strict.public) : undefined,
    openapi,
    routes: routes as RouteRules['routes']
  })

  decoratePermit(app, scope => new AppPermit(checks, guards, writer, scope))
  app.decorateRequest('permit', {
    getter (this: FastifyRequest) { return new RequestPermit(this, enforcement) }
  })
  app.addHook('onClose', () => close())

  if (updates !== undefined) declareUpdatesRoute(app, updates, affected => checks.forget(affected))
  if (inspector !== undefined) {
    const { declareInspector } = await import('./inspector-routes.js')
    observation.add(await declareInspector(app, inspector, inspected, () => guards.rows()))
  }

  await open()
  app.addHook('onReady', async () => {
    const described = guards.described()
    for (const { name, permissions } of described) opening.requireAskable(name, permissions)
    await opening.probeWith(described.flatMap(({ permissions }) => permissions))
  })
  app.addHook('onReady', () => warnOfUnknownWords(guards.rows(), opening.unknownWord, app.log))
}

/** Decorates a scope and the scopes inside of it with `permit`, each with its own, which knows its scope. */
function decoratePermit (app: FastifyInstance, create: (scope: FastifyInstance) => AppPermit): void {
  const own = create(app)
  const others = new WeakMap<object, AppPermit>()
  app.decorate('permit', {
    getter (this: FastifyInstance) {
      if (this === app) return own
      let permit = others.get(this)
      if (permit === undefined) others.set(this, permit = create(this))
      return permit
    }
  })
}

/**
 * The plugin: `app.register(permit, options)` guards the routes with `config.permit`, and adds `request.permit` and `app.permit`.
 *
 * @throws `OptionsError`, `PolicyFileError`, `DataError` or `AnnotationError`, by which the app does not start
 *
 * @example
 * ```ts
 * import Fastify from 'fastify'
 * import permit from 'fastify-permit'
 *
 * const app = Fastify()
 * await app.register(permit, { policy: './permit.yaml', user: request => request.headers['x-user']?.toString() })
 * app.post('/tasks', { config: { permit: 'task:create' } }, async () => 'created')
 * ```
 */
export default fp(permit, { name: 'fastify-permit', fastify: '5.x' })
