// Finds the handlers of an app's controllers, resolvers and gateways, and adds the guard to each, behind all other guards.
import type { ModulesContainer } from '@nestjs/core'
import { AnnotationError, UndeclaredRouteError } from '../contract/errors.js'
import type * as annotation from '../guard/annotation.js'
import type { NestRequest } from './nest-types.js'
import { chainOf, decorated, requirementOf, type Class } from './permit-decorators.js'

/** The metadata of NestJS: a handler's guards, and what makes a method a handler. */
const GUARDS = '__guards__'
const PATH = 'path'
const MESSAGE_PATTERN = 'microservices:pattern'
const GATEWAY = 'websockets:is_gateway'
const MESSAGE = 'websockets:message_mapping'
const RESOLVER = 'graphql:resolver_type'
const PROPERTY = 'graphql:resolve_property'
const REFERENCE = 'graphql:resolve_reference'

const ROOTS = ['Query', 'Mutation', 'Subscription']
/** The method for which `@nestjs/graphql` runs no guards, whatever it resolves. */
const WITHOUT_GUARDS = '__resolveType'
/** The token of the options of `GraphQLModule`. */
const GRAPHQL_OPTIONS = 'GqlModuleOptions'

/** The functions of `reflect-metadata`, which NestJS loads. */
interface Metadata {
  getMetadata (key: string, target: object): unknown
  defineMetadata (key: string, value: unknown, target: object): void
  deleteMetadata (key: string, target: object): boolean
}

/** What calls a handler: the type of its execution context in NestJS. */
export type HandlerKind = 'http' | 'graphql' | 'ws' | 'rpc'

/** A handler. One method may be several. */
export interface Handler {
  readonly kind: HandlerKind
  readonly type: Class
  readonly name: string
  /** The function that NestJS calls. */
  readonly method: object
  readonly required: { readonly value: annotation.Annotation<NestRequest> } | undefined
  /** Whether it is one of the fields of an object, which clients reach by another handler. */
  readonly isField: boolean
}

/**
 * All handlers of the app.
 * @throws `AnnotationError` when a decorator is where it has no effect
 */
export function handlersOf (modules: ModulesContainer): Handler[] {
  const handlers: Handler[] = []
  const misplaced: string[] = []
  const { controllers, providers, injectables } = classesOf(modules)
  for (const type of new Set([...controllers, ...providers, ...injectables])) {
    const found = handlersOfClass(type, controllers.has(type), providers.has(type))
    handlers.push(...found)
    const { methods, isClass } = decorated(type)
    misplaced.push(...methods.filter(method => !found.some(({ name }) => name === method)).map(name => nameOf(type, name)))
    if (isClass && found.length === 0 && !controllers.has(type)) misplaced.push(type.name)
    misplaced.push(...found.filter(isWithoutGuards).map(({ name }) => nameOf(type, name)))
  }
  if (misplaced.length > 0) {
    throw new AnnotationError(`@Permit has no effect on ${misplaced.join(', ')}, because only handlers of controllers for HTTP, ` +
      'resolvers and gateways are guarded. Elsewhere, inject the checks by @InjectPermit() and call assert()')
  }
  return handlers
}

/** NestJS calls it without the guard: it requires a permission, and is called by a microservice, or is a type's resolver in disguise. */
function isWithoutGuards ({ kind, name, isField, required }: Handler): boolean {
  if (kind === 'graphql' && name === WITHOUT_GUARDS) return !isField
  return kind === 'rpc' && required !== undefined && required.value !== false
}

function classesOf (modules: ModulesContainer): Record<'controllers' | 'providers' | 'injectables', Set<Class>> {
  const classes = { controllers: new Set<Class>(), providers: new Set<Class>(), injectables: new Set<Class>() }
  for (const module of modules.values()) {
    for (const kind of ['controllers', 'providers', 'injectables'] as const) {
      for (const { metatype } of module[kind].values()) if (isClass(metatype)) classes[kind].add(metatype)
    }
  }
  return classes
}

function handlersOfClass (type: Class, isController: boolean, isProvider: boolean): Handler[] {
  const handlers: Handler[] = []
  for (const [name, method] of methodsOf(type)) {
    const required = requirementOf(type, name)
    const add = (kind: HandlerKind, isField = false): void => { handlers.push({ kind, type, name, method, required, isField }) }
    if (isController && has(PATH, method)) add('http')
    if (isController && has(MESSAGE_PATTERN, method)) add('rpc')
    if (isProvider && has(GATEWAY, type) && has(MESSAGE, method)) add('ws')
    const resolved = isProvider ? resolvedBy(type, method) : undefined
    // What says which type an object has is no field: it answers nothing, and its own decorator would have no effect.
    if (resolved !== undefined && (name !== WITHOUT_GUARDS || resolved === 'root')) add('graphql', resolved === 'field')
  }
  return handlers
}

/** What a method resolves. As `@nestjs/graphql` finds it. */
function resolvedBy (type: Class, method: object): 'root' | 'reference' | 'field' | undefined {
  const resolved = metadata().getMetadata(RESOLVER, method) || metadata().getMetadata(RESOLVER, type)
  if (resolved === undefined) return undefined
  if (ROOTS.includes(String(resolved))) return 'root'
  if (metadata().getMetadata(REFERENCE, method)) return 'reference'
  return metadata().getMetadata(PROPERTY, method) ? 'field' : undefined
}

/**
 * Checks what is known when all providers exist: that `@nestjs/graphql` runs guards on the fields and references that require something,
 * and that no resolver was created in a way that hides its class.
 * @throws `AnnotationError`
 */
export function requireGuardsOfResolvers (modules: ModulesContainer, handlers: readonly Handler[], strict: boolean): void {
  const settings: unknown[] = []
  const { providers } = classesOf(modules)
  for (const module of modules.values()) {
    for (const [token, { instance }] of module.providers as Iterable<[unknown, { readonly instance: unknown }]>) {
      if (token === GRAPHQL_OPTIONS) settings.push((instance as { fieldResolverEnhancers?: unknown } | null)?.fieldResolverEnhancers)
      if (typeof instance !== 'object' || instance === null) continue
      const type: unknown = (Object.getPrototypeOf(instance) as object | null)?.constructor
      if (!isClass(type) || providers.has(type)) continue
      const hidden = handlersOfClass(type, false, true).filter(({ kind }) => kind === 'graphql')
      if (!hidden.some(({ required }) => strict || required !== undefined)) continue
      throw new AnnotationError(`the resolver ${type.name} is provided as a value or by a factory, so it cannot be guarded; ` +
        'provide its class')
    }
  }
  const fields = handlers.filter(({ kind, type, method, required }) =>
    kind === 'graphql' && required !== undefined && required.value !== false && resolvedBy(type, method) !== 'root')
  const isRun = settings.length > 0 && settings.every(enhancers => Array.isArray(enhancers) && enhancers.includes('guards'))
  if (fields.length === 0 || isRun) return
  throw new AnnotationError(`@Permit has no effect on ${fields.map(({ type, name }) => nameOf(type, name)).join(', ')}, because NestJS ` +
    "runs no guards on fields and references unless it is told to: set fieldResolverEnhancers: ['guards'] in the options of " +
    'GraphQLModule, or mark them with @Public()')
}

/**
 * Adds a guard to handlers, behind those of the app, of the class and of the handler. NestJS reads the guards of a handler when it
 * declares its routes, resolvers and messages, and after all modules were created.
 * @param ofClasses - a guard for the classes of resolvers and gateways
 * @returns a function that removes the guards: another app may have the same classes
 */
export function addGuard (handlers: readonly Handler[], guard: object, ofClasses: object): () => void {
  const undo: Array<() => void> = []
  const add = (target: object, added: object): void => {
    const guards = guardsOf(target)
    if (guards.includes(added)) return
    metadata().defineMetadata(GUARDS, [...guards, added], target)
    undo.push(() => {
      // Another app may have added its own since.
      const others = guardsOf(target).filter(other => other !== added)
      if (others.length > 0) metadata().defineMetadata(GUARDS, others, target)
      else metadata().deleteMetadata(GUARDS, target)
    })
  }
  for (const { kind, type, method } of handlers) {
    add(method, guard)
    if (kind === 'graphql' || kind === 'ws') add(type, ofClasses)
  }
  return () => { for (const remove of undo.splice(0)) remove() }
}

function guardsOf (target: object): readonly unknown[] {
  return (metadata().getMetadata(GUARDS, target) ?? []) as readonly unknown[]
}

/** The error for handlers that say nothing; undefined when there is none. */
export function undeclaredHandlers (handlers: readonly Handler[]): Error | undefined {
  const undeclared = handlers.filter(({ required, isField }) => required === undefined && !isField)
  // A method may be several handlers.
  const silent = new Set(undeclared.map(({ type, name }) => `  ${nameOf(type, name)}`))
  if (silent.size === 0) return undefined
  return new UndeclaredRouteError(`strict: ${silent.size === 1 ? 'one handler says' : `${silent.size} handlers say`} neither which ` +
    `permission is required nor that the route is public:\n${[...silent].join('\n')}\n` +
    "Add @Permit('type:action') to the method or to its class, or @Public() if it is public on purpose.")
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

function has (key: string, target: object): boolean {
  return metadata().getMetadata(key, target) !== undefined
}

function metadata (): Metadata {
  return Reflect as unknown as Metadata
}
