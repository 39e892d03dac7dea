// The names of the params in a route's URL: a template may only name those.
import findMyWay from 'find-my-way'

/** The names of the params in a route's URL, as Fastify's own router reads it. */
export function paramNames (url: string): Set<string> {
  if (url === '*') return new Set(['*'])
  const router = findMyWay({ allowUnsafeRegex: true })
  router.on('GET', url, () => {})
  return new Set(router.findRoute('GET', url)?.params)
}
