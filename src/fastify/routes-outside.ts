// Refuses annotated routes outside of every scope in which the plugin is registered, because nothing guards them.
import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify'
import { AnnotationError } from '../contract/errors.js'
import { annotationIn } from './route-annotation.js'
import { descendantsOf, rootOf } from './scopes.js'

interface Annotated { readonly scope: FastifyInstance, readonly name: string }

/** Annotated routes, by root. */
const found = new WeakMap<FastifyInstance, Annotated[]>()

/** The scopes in which the plugin is registered, even if that failed. */
const covered = new WeakSet<FastifyInstance>()

/**
 * Watches the routes around a scope in which the plugin is registered. The plugin guards only this scope. When it is registered inside of
 * another plugin, or in a file that is loaded from a folder, it may end up in a separate scope by mistake, and annotations elsewhere would
 * have no effect.
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
  // onRoute sees future routes; the preHandler hook also sees existing ones.
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

/** Whether this copy of the package, or another one, guards the scope. */
function isCovered (scope: FastifyInstance): boolean {
  if (scope.hasDecorator('permit')) return true
  for (let around: FastifyInstance | null = scope; around !== null; around = Object.getPrototypeOf(around)) {
    if (covered.has(around)) return true
  }
  return false
}

function outside (names: readonly string[]): Error {
  return new AnnotationError(`${names.join(', ')}: config.permit is outside of every scope in which fastify-permit is registered, ` +
    'and has no effect there. Register fastify-permit at the root: in a plugin, or in a file that @fastify/autoload loads, ' +
    'wrap the function that registers it with fastify-plugin')
}

function nameOf ({ routeOptions: { method, url } }: FastifyRequest): string {
  return `${String(method)} ${url ?? '(404)'}`
}
