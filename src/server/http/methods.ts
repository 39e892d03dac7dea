// Which methods there are at a path: for the 405 of a path that is there, asked in another way.
import createRouter from 'find-my-way'
import type { Mount } from './mount.js'

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

/** Tells the methods of the routes that a URL leads to; none for one that leads nowhere. */
export function methodsAt (mounts: readonly Mount[]): (url: string) => string[] {
  const router = createRouter()
  for (const { prefix = '', routes } of mounts) {
    for (const { method, path } of routes) router.on(method, prefix + path, () => {})
  }
  return url => METHODS.filter(method => router.find(method === 'HEAD' ? 'GET' : method, url.split('?', 1)[0] ?? url) !== null)
}
