// Annotated routes outside of every scope that the plugin is registered in: they are refused, because nothing would guard them.
import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify'
import { AnnotationError } from '../contract/errors.js'
import { annotationIn } from './route-annotation.js'
import { descendantsOf, rootOf } from './scopes.js'

interface Annotated { readonly scope: FastifyInstance, readonly name: string }

/** By root. */
const found = new WeakMap<FastifyInstance, Annotated[]>()

/** The scopes that the plugin is registered in, also where that has failed. */
const covered = new WeakSet<FastifyInstance>()

/**
 * Looks at the routes around a scope that the plugin is being registered in. It guards that scope only, and a plugin that is wrapped in
 * another one, or loaded from a folder, easily ends up in a scope of its own: then an annotation elsewhere would mean nothing.
 */
export function watchOutside (app: FastifyInstance): void {
  covered.add(app)
  const root = rootOf(app)
  if (root === app) return
  const annotated = found.get(root) ?? watch(root)
  app.addHook('onReady', async () => {
    const names = annotated.filter(({ scope }) => !isCovered(scope)).map(({ name }) => name)
    if (names.length > 0) throw outside(names)
  })
}

function watch (root: FastifyInstance): Annotated[] {
  const annotated: Annotated[] = []
  found.set(root, annotated)
  const onRoute = function (this: FastifyInstance, { config, method, url }: RouteOptions): void {
    if (isGuarded(config) && method !== 'HEAD') annotated.push({ scope: this, name: `${String(method)} ${url}` })
  }
  // onRoute is for scopes that come later; the other hooks are for those of now, too.
  for (const scope of [root, ...descendantsOf(root)]) scope.addHook('onRoute', onRoute)
  root.addHook('preHandler', (request, _reply, done) => {
    done(isCovered(request.server) || !isGuarded(request.routeOptions.config) ? undefined : outside([nameOf(request)]))
  })
  return annotated
}

function isGuarded (config: unknown): boolean {
  const annotation = annotationIn(config)
  return annotation !== undefined && annotation.value !== false
}

/** By this copy of the package, or by another one. */
function isCovered (scope: FastifyInstance): boolean {
  if (scope.hasDecorator('permit')) return true
  for (let around: FastifyInstance | null = scope; around !== null; around = Object.getPrototypeOf(around)) if (covered.has(around)) return true
  return false
}

function outside (names: readonly string[]): Error {
  return new AnnotationError(`${names.join(', ')}: config.permit is outside of every scope that fastify-permit is registered in, and guards nothing there. ` +
    'Register it at the root: in a plugin, or in a file that @fastify/autoload loads, wrap the function that registers it with fastify-plugin')
}

function nameOf ({ routeOptions: { method, url } }: FastifyRequest): string {
  return `${String(method)} ${url ?? '(404)'}`
}
