// Compiles an annotation, when the route is declared, into a function that creates the queries of a request.
import { describe } from '../decision/input-checks.js'
import { normaliseResource, Question, splitResource, toJsonObject, type ContextInput, type ResourceInput } from '../decision/query.js'
import { Keys } from '../decision/cache-key.js'
import { DEFAULT_TENANT } from '../engine/facts/fact.js'
import { AnnotationError, ForbiddenError, QueryError } from '../contract/errors.js'
import type { JsonObject, QueryResource, QueryUser } from '../contract/point.js'
import { ignore, isThenable, whenResolved, type MaybePromise } from '../kit/maybe-promise.js'
import type { Annotation, MethodMap, Permission, PermissionRequirement, PerRequest, Requirement } from './annotation.js'
import { FORMS, onlyKnown, permissionMeant, refuseOtherPlaceholders, REQUIREMENT_NAMES } from './annotation-mistakes.js'
import { isMethodMap, requireMethodNames } from './method-map.js'
import { parseUrlTemplate, type UrlTemplate } from './asked-url.js'
import { fillKey, hasBrace, parseKeyTemplate, type KeyTemplate } from './key-template.js'

/** The part of a request that templates read, in every framework. */
export interface WithParams { readonly params: unknown }

/** A query, or the refusal of a request without one, because a param of the resource key is empty. */
export type QueryOrRefusal = Question | ForbiddenError

/** A compiled annotation. */
export type CompiledAnnotation<R> = { readonly kind: 'public' } | CompiledGuard<R>

/** What a guard enforces: any annotation that is not public. */
export type CompiledGuard<R> =
  | CompiledRequirement<R>
  | CompiledFunction<R>
  | CompiledMethods<R>

/** A requirement for each method. */
interface CompiledMethods<R> {
  readonly kind: 'methods'
  readonly params: readonly string[]
  readonly of: ReadonlyMap<string, CompiledAnnotation<R>>
}

interface CompiledFunction<R> {
  readonly kind: 'function'
  readonly params: readonly string[]
  readonly requirement: (request: R) => MaybePromise<CompiledRequirement<R>>
}

export type CompiledRequirement<R> =
  | { readonly kind: 'permission', readonly params: readonly string[], readonly ask: AskPermission<R> }
  | { readonly kind: 'url', readonly params: readonly string[], readonly template?: UrlTemplate }
  | { readonly kind: 'any' | 'all', readonly params: readonly string[], readonly parts: readonly CompiledRequirement<R>[] }

/** Creates the query of one permission for one request and user. */
export type AskPermission<R> = (request: R, user: QueryUser) => QueryOrRefusal | Promise<QueryOrRefusal>

/** The tenant of a request, as the app's functions return it. */
type TenantValue = string | readonly string[] | null | undefined

/** The plugin's `tenant` option, or undefined for `default`. */
export type TenantOf<R> = ((request: R) => MaybePromise<TenantValue>) | undefined

/** The most levels of anyOf and allOf. The limit also ends cycles. */
const MAX_DEPTH = 8

/**
 * Compiles an annotation to the cheapest function that creates its queries.
 * @param tenantOption - the plugin's `tenant` option
 * @throws {@link AnnotationError} that says what is wrong and what to write instead
 */
export function compileAnnotation<R extends WithParams> (annotation: Annotation<R>, tenantOption: TenantOf<R>): CompiledAnnotation<R> {
  if (annotation === false) return { kind: 'public' }
  if (isMethodMap<R>(annotation)) return compileMethods(annotation, tenantOption)
  if (typeof annotation === 'function') {
    return {
      kind: 'function',
      params: [],
      requirement: request => whenResolved(annotation(request), result => compileRequirement(result, { declared: false, tenantOption }))
    }
  }
  return compileRequirement(annotation, { declared: true, tenantOption })
}

function compileMethods<R extends WithParams> (map: MethodMap<R>, tenantOption: TenantOf<R>): CompiledMethods<R> {
  requireMethodNames(map)
  const compiled = new Map<string, CompiledAnnotation<R>>()
  for (const [method, annotation] of Object.entries(map)) {
    if (isMethodMap(annotation)) throw new AnnotationError(`${method} has a requirement for each method again; expected ${FORMS}`)
    compiled.set(method, compileAnnotation<R>(annotation, tenantOption))
  }
  return { kind: 'methods', of: compiled, params: [...compiled.values()].flatMap(part => part.kind === 'public' ? [] : part.params) }
}

/**
 * {@link compileAnnotation} for an annotation with a name, such as `config.permit of GET /tasks`.
 * @throws {@link AnnotationError} whose message starts with the name
 */
export function compileNamed<R extends WithParams> (
  name: string, annotation: Annotation<R>, tenantOption: TenantOf<R>
): CompiledAnnotation<R> {
  try {
    return compileAnnotation(annotation, tenantOption)
  } catch (error) {
    if (!(error instanceof AnnotationError || error instanceof QueryError)) throw error
    throw new AnnotationError(`${name}: ${error.message}`)
  }
}

/** Whether URL mapping rules take part; not known of a function, whose result decides. */
export function asksUrl<R> (annotation: CompiledAnnotation<R>): boolean {
  return asked(annotation, () => true)
}

/** Whether URL mapping rules take part, with the URL of the route. */
export function asksRoute<R> (annotation: CompiledAnnotation<R>): boolean {
  return asked(annotation, template => template === undefined)
}

function asked<R> (annotation: CompiledAnnotation<R>, isMeant: (template: UrlTemplate | undefined) => boolean): boolean {
  switch (annotation.kind) {
    case 'methods': return [...annotation.of.values()].some(part => asked(part, isMeant))
    case 'any':
    case 'all': return annotation.parts.some(part => asked(part, isMeant))
    default: return annotation.kind === 'url' && isMeant(annotation.template)
  }
}

/** Compiles the argument of `guard(requirement)`, in every framework. */
export function compileGuard<R extends WithParams> (
  requirement: Exclude<Annotation<R>, false>, tenantOption: TenantOf<R>
): CompiledGuard<R> {
  const compiled = compileNamed<R>('guard()', requirement, tenantOption)
  if (compiled.kind === 'public') throw new AnnotationError('guard(false) guards nothing; remove it')
  return compiled
}

interface Mode<R> {
  /**
   * Whether the requirement was declared with the route. Then `{param}` is a template, and the result is used for many requests. The result
   * of a function may contain values of its request, and is used only for that request.
   */
  readonly declared: boolean
  readonly tenantOption: TenantOf<R>
}

function compileRequirement<R extends WithParams> (requirement: Requirement<R>, mode: Mode<R>, depth = 0): CompiledRequirement<R> {
  if (depth > MAX_DEPTH) throw new AnnotationError(`anyOf and allOf are nested more than ${MAX_DEPTH} deep`)
  if (requirement === 'url') return { kind: 'url', params: [] }
  if (typeof requirement === 'string') return compilePermission(parsePermission(requirement), mode)
  if (typeof requirement !== 'object' || requirement === null) {
    throw new AnnotationError(`it is ${describe(requirement)}; expected ${FORMS}`)
  }
  if (Array.isArray(requirement)) {
    throw new AnnotationError('it is an array; write { anyOf: […] } if one of its permissions is enough, ' +
      `or { allOf: […] } if all are needed; expected ${FORMS}`)
  }
  if ('url' in requirement) return compileUrl(requirement, mode)
  const kind = 'anyOf' in requirement ? 'anyOf' : 'allOf' in requirement ? 'allOf' : undefined
  if (kind === undefined) return compilePermission(requirement as PermissionRequirement<R>, mode)

  onlyKnown(requirement, [kind], `only { ${kind}: […] }, with tenant and context inside its permissions`)
  const parts = (requirement as Record<typeof kind, readonly Requirement<R>[]>)[kind]
  // An empty allOf would allow everyone.
  if (!Array.isArray(parts) || parts.length === 0) throw new AnnotationError(`${kind} must be an array of at least one permission`)
  // `map` would skip the holes of an array.
  const compiled = Array.from(parts, (part: Requirement<R>) => compileRequirement(part, mode, depth + 1))
  return { kind: kind === 'anyOf' ? 'any' : 'all', parts: compiled, params: compiled.flatMap(part => part.params) }
}

function compileUrl<R> (requirement: { readonly url: unknown }, { declared }: Mode<R>): CompiledRequirement<R> {
  onlyKnown(requirement, ['url'], "only { url: '/tasks/{id}' }")
  if (!declared) {
    throw new AnnotationError('a function returned { url }; declare it where the guard is declared, ' +
      'because a rule can read a URL that is taken from a request in another way than the router')
  }
  const template = parseUrlTemplate(requirement.url)
  return { kind: 'url', params: template.params, template }
}

/** Parses `'task:create'`, Permit's spelling: the type, then the action. */
function parsePermission<R> (permission: string): PermissionRequirement<R> {
  const [type, action, ...more] = permission.split(':')
  if (!type || !action || more.length > 0 || hasBrace(permission)) {
    throw new AnnotationError(`the permission is ${describe(permission)}${permissionMeant(permission)}; expected 'type:action', ` +
      "such as 'task:create', or { action: 'retrieve', resource: 'task:{id}' } for one instance")
  }
  return { action, resource: type }
}

function compilePermission<R extends WithParams> (permission: Exclude<Permission<R>, string>, mode: Mode<R>): CompiledRequirement<R> {
  onlyKnown(permission, ['action', 'resource', 'tenant', 'context'], FORMS, REQUIREMENT_NAMES)
  const { action, resource, tenant, context } = permission
  if (typeof action !== 'string' || action === '') {
    throw new AnnotationError(`action is ${describe(action)}; expected a string: a request never chooses the action`)
  }
  if (hasBrace(action) && mode.declared) {
    throw new AnnotationError(`action is ${JSON.stringify(action)}; an action is never filled in from the request`)
  }

  const target = compileResource(resource, mode)
  const tenantOf = target.tenant === undefined ? compileTenant(tenant, mode) : target.tenant
  const contextOf = compileContext(context)

  if (typeof tenantOf !== 'function' && typeof contextOf !== 'function') {
    if (target.kind === 'constant') {
      return { kind: 'permission', params: [], ask: askConstant(action, { ...target.resource, tenant: tenantOf }, contextOf, mode) }
    }
    if (target.kind === 'template') {
      const ask = askTemplate<R>(action, { ...target.resource, tenant: tenantOf }, target.template, contextOf)
      return { kind: 'permission', params: target.template.params, ask }
    }
  }
  const params = target.kind === 'template' ? target.template.params : []
  return { kind: 'permission', params, ask: askAnything(action, target, tenantOf, contextOf) }
}

/** Only the user depends on the request. Everything else, including its part of the key, is created once. */
function askConstant<R> (
  action: string, resource: QueryResource, context: JsonObject | undefined, { declared }: Mode<R>
): AskPermission<R> {
  const keys = declared ? new Keys(action, resource, context) : undefined
  return (_request, user) => new Question(user, action, resource, context, keys)
}

/** The key of the resource comes from the params; everything else is constant. */
function askTemplate<R extends WithParams> (
  action: string, { type, tenant, attributes }: QueryResource, template: KeyTemplate, context: JsonObject | undefined
): AskPermission<R> {
  return (request, user) => {
    const key = fillKey(template, request.params)
    return key === undefined
      ? incomplete(user, action, type, tenant, EMPTY_PARAM)
      : new Question(user, action, { type, key, tenant, attributes }, context)
  }
}

/** Some part is computed for each request, and may be a promise. */
function askAnything<R extends WithParams> (
  action: string, target: CompiledResource<R>, tenantOf: string | Exclude<TenantOf<R>, undefined>, contextOf: CompiledContext<R>
): AskPermission<R> {
  return (request, user) => {
    let resource, tenant, context
    try {
      resource = target.kind === 'function' ? target.resource(request) : fill(target, request)
      tenant = typeof tenantOf === 'function' ? tenantOf(request) : tenantOf
      context = typeof contextOf === 'function' ? contextOf(request) : contextOf
    } catch (error) {
      // A promise that rejects later, when its result is not needed any more, would end the process.
      ignore(resource)
      ignore(tenant)
      throw error
    }
    return isThenable(resource) || isThenable(tenant) || isThenable(context)
      ? Promise.all([resource, tenant, context]).then(([resource, tenant, context]) => put(user, resource, tenant, context))
      : put(user, resource, tenant, context)
  }

  function put (
    user: QueryUser, resource: ResourceInput | undefined, tenant: TenantValue, context: ContextInput | undefined
  ): QueryOrRefusal {
    // An empty param or an empty tenant may come from the client, so it is refused like a denied request.
    const name = target.kind === 'function' ? '(by function)' : target.resource.type
    if (resource === undefined) return incomplete(user, action, name, '', EMPTY_PARAM)
    if (tenant === '') return incomplete(user, action, name, '', 'the tenant is empty')
    const whole = normaliseResource(resource, tenant)
    return new Question(user, action, whole, context === undefined ? undefined : toJsonObject('the context', context))
  }
}

const EMPTY_PARAM = 'a param of the resource key is empty, or makes the key ambiguous'

function incomplete (user: QueryUser, action: string, resource: string, tenant: string, reason: string): ForbiddenError {
  return new ForbiddenError({ user: user.key, action, resource, tenant, code: 'incomplete_request', reason })
}

function fill<R extends WithParams> (
  { resource: { type, key, attributes }, ...rest }: FixedResource, request: R
): ResourceInput | undefined {
  if (rest.kind === 'constant') return { type, key, attributes }
  const filled = fillKey(rest.template, request.params)
  return filled === undefined ? undefined : { type, key: filled, attributes }
}

/** The resource of a permission. `tenant` is the tenant in the resource itself, which takes precedence. */
type CompiledResource<R> =
  | FixedResource
  | { readonly kind: 'function', readonly tenant: undefined, readonly resource: (request: R) => MaybePromise<ResourceInput> }

type FixedResource =
  | { readonly kind: 'constant', readonly tenant: string | undefined, readonly resource: QueryResource }
  | { readonly kind: 'template', readonly tenant: string | undefined, readonly resource: QueryResource, readonly template: KeyTemplate }

function compileResource<R> (resource: PerRequest<ResourceInput, R>, mode: Mode<R>): CompiledResource<R> {
  if (typeof resource === 'function') {
    return { kind: 'function', tenant: undefined, resource: request => whenResolved(resource(request), requireResource) }
  }
  const { constant, template } = splitTemplate(resource, mode.declared)
  const tenant = typeof resource === 'object' ? resource.tenant : undefined
  if (template === undefined) return { kind: 'constant', tenant, resource: constant }
  return { kind: 'template', tenant, resource: constant, template }
}

/** Validates a resource that is not a function, and parses the template in its key. */
function splitTemplate (resource: ResourceInput, declared: boolean): { constant: QueryResource, template: KeyTemplate | undefined } {
  const parts = typeof resource === 'string' ? splitResource(resource) : resource
  if (typeof parts === 'object' && parts !== null) onlyKnown(parts, ['type', 'key', 'tenant', 'attributes'])
  const constant = normaliseResource(parts)
  if (!declared) return { constant, template: undefined }
  if (hasBrace(constant.type)) {
    throw new AnnotationError(`the resource's type is ${JSON.stringify(constant.type)}; a type is never filled in from the request`)
  }
  if (hasBrace(constant.tenant)) {
    throw new AnnotationError(`the resource's tenant is ${JSON.stringify(constant.tenant)}; a tenant is never filled in from a param, ` +
      'use a function')
  }
  if (constant.key === undefined) return { constant, template: undefined }
  refuseOtherPlaceholders(constant.key)
  return { constant, template: parseKeyTemplate(constant.key) }
}

function compileTenant<R> (
  tenant: PermissionRequirement<R>['tenant'], { declared, tenantOption }: Mode<R>
): string | Exclude<TenantOf<R>, undefined> {
  if (tenant === undefined || tenant === null) return tenantOption ?? DEFAULT_TENANT
  if (typeof tenant === 'function') return tenant
  if (typeof tenant !== 'string' || tenant === '') {
    throw new AnnotationError(`tenant is ${describe(tenant)}; expected a string that is not empty, or a function`)
  }
  if (hasBrace(tenant) && declared) {
    throw new AnnotationError(`tenant is ${JSON.stringify(tenant)}; a tenant is never filled in from a param, use a function`)
  }
  return tenant
}

type CompiledContext<R> = JsonObject | undefined | ((request: R) => MaybePromise<ContextInput | undefined>)

function compileContext<R> (context: PermissionRequirement<R>['context']): CompiledContext<R> {
  if (context === undefined || typeof context === 'function') return context
  return toJsonObject('the context', context)
}

function requireResource (resource: ResourceInput): ResourceInput {
  // Internally, undefined means that a param was empty, so a function must not return it.
  if (resource === undefined || resource === null) {
    throw new QueryError("the function of an annotation's resource returned nothing; expected 'type', 'type:key' or { type, key? }")
  }
  return resource
}
