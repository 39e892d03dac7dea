// Answers requests for the inspector in an Express app.
import type { IncomingMessage } from 'node:http'
import type { Request } from 'express'
import type { Inspected } from '../app/inspector-source.js'
import type { ResolvedInspector } from '../app/options/resolve.js'
import { openInspector } from '../inspector/inspector.js'
import type { Observation } from '../observe/observation.js'
import type { Guard, Middleware } from './express-types.js'
import type { Log } from './express-log.js'

/** The inspector of a `permit(…)`. */
export interface InspectorHandler {
  /** Answers a request for the inspector. */
  readonly middleware: Middleware
  /** Ends its streams. */
  close (): void
}

/**
 * Opens the inspector, which then observes the checks.
 * @param guard - decides who may see it; without one, only requests from this machine may
 */
export async function inspectorHandler (
  { path, attributes }: ResolvedInspector<Request>, guard: Guard | undefined, observation: Observation, inspected: Inspected, log: Log
): Promise<InspectorHandler> {
  const own = new WeakSet<object>()
  const inspector = await openInspector({
    path,
    attributes,
    inspected,
    log,
    noRoutes: 'Express does not tell which routes there are.',
    isGuarded: guard !== undefined,
    isOwn: asker => own.has(asker),
    routeOf: asker => routeOf(asker as Request)
  })
  observation.add(inspector.feed)
  return {
    close: () => inspector.close(),
    middleware (request, response, next) {
      own.add(request)
      const handle = (): void => inspector.handle(request, response, restOf(path, request))
      if (guard === undefined) return handle()
      guard(request, response, error => {
        if (error === undefined) return handle()
        // Not for a cache.
        response.setHeader('cache-control', 'no-store')
        next(error)
      })
    }
  }
}

function restOf (path: string, { url = '' }: IncomingMessage): string | undefined {
  const rest = url.slice(path.length).split('?')[0]
  return rest === '' ? undefined : rest?.slice(1)
}

function routeOf ({ method, baseUrl, route }: Request): string | undefined {
  const path: unknown = (route as { path?: unknown } | undefined)?.path
  return path === undefined ? undefined : `${method} ${baseUrl}${String(path)}`
}
