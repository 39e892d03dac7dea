// Answers requests for the inspector in an Express app.
import type { IncomingMessage } from 'node:http'
import type { Request } from 'express'
import type { Inspected } from '../app/inspector-source.js'
import type { ResolvedInspector } from '../app/options/resolve.js'
import { openInspector } from '../inspector/inspector.js'
import type { Observation } from '../observe/observation.js'
import type { Guard, Middleware } from './express-types.js'
import { EXPRESS_NOTE, routesOfApp } from './routes-of-app.js'
import type { App } from './router-layers.js'
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
  { path, attributes }: ResolvedInspector<Request>, guard: Guard | undefined, observation: Observation, inspected: Inspected, log: Log,
  hasTenantOption: boolean
): Promise<InspectorHandler> {
  const own = new WeakSet<object>()
  let app: App | undefined
  const inspector = await openInspector({
    path,
    attributes,
    inspected,
    log,
    routes: () => app === undefined ? [] : routesOfApp(app, hasTenantOption),
    routesNote: EXPRESS_NOTE,
    isGuarded: guard !== undefined,
    routeOf: asker => own.has(asker) ? null : routeOf(asker as Request)
  })
  observation.add(inspector.feed)
  return {
    close: () => inspector.close(),
    middleware (request, response, next) {
      own.add(request)
      app = (request as { app?: App }).app
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
