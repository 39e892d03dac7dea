// Removes HEAD twins from lists: the HEAD routes that Fastify adds to GET routes, and that require the same as these.

/**
 * The routes without the HEAD twins.
 * @param methodsOf - returns the methods of a route
 * @param withoutMethod - returns everything else that identifies the route, as text
 */
export function withoutHeadTwins<Route> (
  routes: readonly Route[], methodsOf: (route: Route) => readonly string[], withoutMethod: (route: Route) => string
): Route[] {
  const isHead = (route: Route) => {
    const methods = methodsOf(route)
    return methods.length === 1 && methods[0] === 'HEAD'
  }
  const gets = new Set(routes.filter(route => methodsOf(route).includes('GET')).map(withoutMethod))
  return routes.filter(route => !isHead(route) || !gets.has(withoutMethod(route)))
}

/** The methods of one route, without HEAD if it also has GET. */
export function withoutHead (methods: readonly string[]): readonly string[] {
  return methods.includes('GET') ? methods.filter(method => method !== 'HEAD') : methods
}
