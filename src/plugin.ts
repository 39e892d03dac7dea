// The plugin: options in; decorators, hooks and their clean-up out.
import fp from 'fastify-plugin'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Checks } from './decision/checks.js'
import { Observation } from './decision/observation.js'
import { openPath } from './decision/path.js'
import { OptionsError } from './errors.js'
import { AppPermit } from './fastify/app-permit.js'
import { auditTrail } from './fastify/audit-trail.js'
import { callerOf } from './fastify/caller.js'
import { RouteGuards } from './fastify/routes.js'
import type { Annotation, PermitOptions } from './fastify/types.js'
import { declareUpdatesRoute } from './fastify/updates-route.js'
import { RequestPermit } from './guard/request-permit.js'
import { openObservers } from './observe/observers.js'
import { resolveOptions } from './options.js'
import { Writer } from './write/writer.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** Questions outside of a request, the user first; the guard as a hook; counters and health. */
    permit: AppPermit
  }

  interface FastifyRequest {
    /** Questions in the name of the request's user. */
    permit: RequestPermit<FastifyRequest>
  }

  interface FastifyContextConfig {
    /** What the route requires, or `false` when it is public on purpose. */
    permit?: Annotation
  }
}

/**
 * Guards the annotated routes of a scope. Registered once; see {@link PermitOptions}.
 *
 * @throws `OptionsError` when an option is wrong, `PolicyFileError` when the policy is, `AnnotationError` when a
 * route's annotation is: the app does not start.
 */
async function permit (app: FastifyInstance, input: PermitOptions): Promise<void> {
  if (app.hasDecorator('permit')) {
    throw new OptionsError('it is registered already, in this scope or in one around it; register it once, or in sibling scopes')
  }
  // First of all, and before anything can fail: should the app be used although it has not started, nobody gets in.
  const guards = new RouteGuards()
  guards.install(app)
  // Fastify adds a hook when its turn comes, and not at all to a plugin that has failed by then.
  await app.after()

  const options = resolveOptions<FastifyRequest, FastifyReply>(input, process.env)
  const { origin, cache, timeout, user, tenant, updates, onDenied, onDecision } = options
  const path = openPath({ origin, cache, timeout }, app.log)
  const observation = new Observation(error => app.log.error({ err: error }, 'permit: somebody who watches checks threw'))
  const checks = new Checks(path, timeout, observation)
  const observers = await openObservers(options)
  for (const observer of observers.list) observation.add(observer)
  observers.read(() => checks.stats())
  if (onDecision !== undefined) observation.add(auditTrail(app, onDecision))
  const enforcement = { checks, user, tenant, caller: callerOf, requestId: ({ id }: FastifyRequest) => id, onDenied }
  guards.start(enforcement)

  app.decorate('permit', new AppPermit(checks, guards, new Writer(path.facts, user => checks.invalidate(user))))
  app.decorateRequest('permit', {
    getter (this: FastifyRequest) { return new RequestPermit(this, enforcement) }
  })
  app.addHook('onClose', async () => {
    await checks.close()
    observers.close()
  })

  if (updates !== undefined) declareUpdatesRoute(app, updates, affected => checks.forget(affected))

  await path.pdp.open()
  app.log.debug({ permit: { pdp: origin.kind === 'pdp' ? path.pdp.name : 'embedded', cache, timeout } }, 'permit: ready')
}

export default fp(permit, { name: 'fastify-permit', fastify: '5.x' })
