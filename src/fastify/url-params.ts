// The names of the params in a route's URL. A template can only use these.
import findMyWay from 'find-my-way'

/** The names of the params in a route's URL, as parsed by Fastify's router. */
export function paramNames (url: string): Set<string> {
  if (url === '*') return new Set(['*'])
  const router = findMyWay({ allowUnsafeRegex: true })
  router.on('GET', url, () => {})
  return new Set(router.findRoute('GET', url)?.params)
}
