// Accesses the layers of an Express app, in both versions of Express.

/** An Express app, reduced to its layers. */
export type App = Partial<Record<'router' | '_router', { stack?: unknown }>>

/** Express 4 has `_router`, and a getter `router` that throws; Express 5 has `router`. */
export function isVersion4 (app: App): boolean {
  return '_router' in app
}

/** The layers of an app's own router. */
export function stackOf (app: App): unknown {
  return (isVersion4(app) ? app._router : app.router)?.stack
}
