// Declares the routes of the inspector.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Inspected } from '../app/inspector-source.js'
import type { ResolvedInspector } from '../app/options/resolve.js'
import { openInspector } from '../inspector/inspector.js'
import type { CheckObserver } from '../observe/observation.js'
import type { RouteRow } from './route-table.js'

/**
 * Opens the inspector and declares its routes. With a guard they are guarded as every other route; without one they are public for the
 * guard, and the inspector refuses all requests that do not come from this machine.
 * @returns the observer of checks
 */
export async function declareInspector (
  app: FastifyInstance, { path, guard, attributes }: ResolvedInspector<FastifyRequest>, inspected: Inspected,
  routes: () => readonly RouteRow[]
): Promise<CheckObserver> {
  const own = new Set([path, `${path}/*`].map(url => app.prefix + url))
  const inspector = await openInspector({
    path,
    attributes,
    routes,
    inspected,
    log: app.log,
    isGuarded: guard !== undefined,
    routeOf: asker => {
      // Fastify makes the object of `routeOptions` anew each time.
      const { url } = (asker as FastifyRequest).routeOptions
      if (url === undefined) return undefined
      return own.has(url) ? null : `${(asker as FastifyRequest).method} ${url}`
    }
  })
  app.register(async scope => {
    // Errors of the guard, too, are not for a cache.
    scope.addHook('onRequest', async (_request, reply) => { reply.header('cache-control', 'no-store') })
    for (const url of [path, `${path}/*`]) {
      scope.get<{ Params: { '*'?: string } }>(url, {
        exposeHeadRoute: false,
        config: { permit: guard ?? false },
        // For @fastify/swagger, whose types are not needed here.
        schema: { hide: true } as object
      }, (request, reply) => {
        reply.hijack()
        inspector.handle(request.raw, reply.raw, request.params['*'])
      })
    }
    // Before the server waits for its connections.
    scope.addHook('preClose', async () => inspector.close())
  })
  return inspector.feed
}
