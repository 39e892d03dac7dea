// Finds the methods of a path, for the 405 of a path that exists with other methods.
import createRouter from 'find-my-way'
import type { Mount } from './mount.js'

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

/** Returns a function that returns the methods of the routes that match a URL, or an empty list. */
export function methodsAt (mounts: readonly Mount[]): (url: string) => string[] {
  const router = createRouter()
  for (const { prefix = '', routes } of mounts) {
    for (const { method, path } of routes) router.on(method, prefix + path, () => {})
  }
  return url => METHODS.filter(method => router.find(method === 'HEAD' ? 'GET' : method, url.split('?', 1)[0] ?? url) !== null)
}
