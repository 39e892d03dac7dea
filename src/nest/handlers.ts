// Finds the handlers of an app's controllers, and adds the guard to each, behind all other guards.
import type { ModulesContainer } from '@nestjs/core'
import { AnnotationError, UndeclaredRouteError } from '../contract/errors.js'
import type * as annotation from '../guard/annotation.js'
import type { NestRequest } from './nest-types.js'
import { chainOf, decorated, requirementOf, type Class } from './permit-decorators.js'

/** The metadata of NestJS: a handler's path, its guards, and what makes a method a handler of something else. */
const PATH = 'path'
const GUARDS = '__guards__'
const MESSAGE_PATTERN = 'microservices:pattern'

/** The functions of `reflect-metadata`, which NestJS loads. */
interface Metadata {
  getMetadata (key: string, target: object): unknown
  defineMetadata (key: string, value: unknown, target: object): void
}

/** A handler of a controller. */
export interface Handler {
  readonly type: Class
  readonly name: string
  /** The function that NestJS calls. */
  readonly method: object
  readonly required: { readonly value: annotation.Annotation<NestRequest> } | undefined
}

/**
 * All handlers of the app's controllers.
 * @throws `AnnotationError` when a decorator is where it has no effect
 */
export function handlersOf (modules: ModulesContainer): Handler[] {
  const handlers: Handler[] = []
  const misplaced: string[] = []
  const controllers = new Set<Class>()
  const others = new Set<Class>()
  for (const module of modules.values()) {
    for (const { metatype } of module.controllers.values()) if (isClass(metatype)) controllers.add(metatype)
    const providers = [...module.providers.values(), ...module.injectables.values()]
    for (const { metatype } of providers) if (isClass(metatype)) others.add(metatype)
  }
  for (const type of controllers) {
    const { methods, isClass } = decorated(type)
    for (const [name, method] of methodsOf(type)) {
      const required = requirementOf(type, name)
      if (metadata().getMetadata(PATH, method) !== undefined) handlers.push({ type, name, method, required })
      else if (methods.includes(name)) misplaced.push(nameOf(type, name))
      if (isClass && metadata().getMetadata(MESSAGE_PATTERN, method) !== undefined) misplaced.push(nameOf(type, name))
    }
  }
  for (const type of others) {
    if (controllers.has(type)) continue
    const { methods, isClass } = decorated(type)
    misplaced.push(...methods.map(name => nameOf(type, name)), ...isClass ? [type.name] : [])
  }
  if (misplaced.length > 0) {
    throw new AnnotationError(`@Permit has no effect on ${misplaced.join(', ')}, because only handlers of controllers for HTTP are ` +
      'guarded. Elsewhere, inject the checks by @InjectPermit() and call assert()')
  }
  return handlers
}

/**
 * Adds a guard to handlers, behind those of the app, of the controller and of the handler. NestJS reads the guards of a handler when it
 * declares its routes, and after all modules were created.
 */
export function addGuard (handlers: readonly Handler[], guard: object): void {
  for (const { method } of handlers) {
    const guards = (metadata().getMetadata(GUARDS, method) ?? []) as readonly unknown[]
    if (!guards.includes(guard)) metadata().defineMetadata(GUARDS, [...guards, guard], method)
  }
}

/** Removes the guard of an app that has closed: another app may have the same controllers. */
export function removeGuard (handlers: readonly Handler[], guard: object): void {
  for (const { method } of handlers) {
    const guards = (metadata().getMetadata(GUARDS, method) ?? []) as readonly unknown[]
    metadata().defineMetadata(GUARDS, guards.filter(other => other !== guard), method)
  }
}

/** The error for handlers that say nothing; undefined when there is none. */
export function undeclaredHandlers (handlers: readonly Handler[]): Error | undefined {
  const silent = handlers.filter(({ required }) => required === undefined).map(({ type, name }) => `  ${nameOf(type, name)}`)
  if (silent.length === 0) return undefined
  return new UndeclaredRouteError(`strict: ${silent.length === 1 ? 'one handler says' : `${silent.length} handlers say`} neither which ` +
    `permission is required nor that the route is public:\n${silent.join('\n')}\n` +
    "Add @Permit('type:action') to the method or to its controller, or @Public() if it is public on purpose.")
}

export function nameOf (type: Class, name: PropertyKey): string {
  return `${type.name}.${String(name)}`
}

function methodsOf (type: Class): Map<string, object> {
  const methods = new Map<string, object>()
  for (const owner of chainOf(type.prototype)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(owner))) {
      if (name !== 'constructor' && typeof value === 'function' && !methods.has(name)) methods.set(name, value as object)
    }
  }
  return methods
}

function isClass (metatype: unknown): metatype is Class {
  return typeof metatype === 'function' && typeof metatype.prototype === 'object' && metatype.prototype !== null
}

function metadata (): Metadata {
  return Reflect as unknown as Metadata
}
