// A query to the PDP, normalised once, with a cache key that no two different queries share.
import { PdpError, QueryError, UnavailableError } from '../contract/errors.js'
import { DEFAULT_TENANT } from '../engine/facts/fact.js'
import { canonicalJson } from '../kit/canonical-json.js'
import { limitExceeded } from '../kit/value-size-limit.js'
import type { JsonObject, Query, QueryResource, QueryUser } from '../contract/point.js'
import type { AttributesOf, ContextValues, ResourceType, UserAttributes } from '../contract/vocabulary.js'
import { readJson } from '../kit/read-json.js'
import { splitAtColon } from '../kit/split-at-colon.js'
import { isOpaque, isRecord } from '../kit/is-record.js'
import { describe, kindOf, optionalText, requireKnown, requireText, typoCheck } from './input-checks.js'
import type { Keys } from './cache-key.js'
import { compact, keyAbout, keyOfUser } from './cache-key.js'

/** The user of a check. A string is the user's key. */
export type UserInput = string | {
  /** The user's key in Permit: any string that is unique to this user. */
  readonly key: string
  readonly email?: string
  readonly firstName?: string
  readonly lastName?: string
  /** Attributes for conditions (ABAC). They take precedence over those stored in the PDP. */
  readonly attributes?: UserAttributes
}

/**
 * The resource of a check: `'task'`, `'task:123'` (split at the first colon: a key may contain colons) or an object. Without a key the
 * check is about the resource type.
 *
 * @example
 * ```ts
 * import type { ResourceInput } from 'fastify-permit'
 *
 * export const resources: ResourceInput[] = [
 *   'task',
 *   'task:123',
 *   { type: 'task', key: '123', tenant: 'acme', attributes: { confidential: true } }
 * ]
 * ```
 */
export type ResourceInput<T extends ResourceType = ResourceType> = T | `${T}:${string}` | {
  readonly type: T
  readonly key?: string
  /** The tenant that the resource belongs to. Default: the tenant of the check, otherwise `default`. */
  readonly tenant?: string
  /** Attributes for conditions (ABAC). They take precedence over those stored in the PDP. */
  readonly attributes?: AttributesOf<T>
}

/** The context of a check, for conditions on `context.*`: for example the time, the network or the device. */
export type ContextInput = ContextValues

/** The most values and names in attributes or in a context: some ten milliseconds to validate, copy and compare. */
const MAX_VALUES = 65_536

/**
 * The query whether `user` may do `action` on `resource`. Validates and copies every part.
 * @throws {@link QueryError} that names the invalid part and what is expected
 */
export function createQuery (
  user: UserInput, action: string, resource: ResourceInput, tenant?: string | readonly string[], context?: ContextInput
): Query {
  const who = normaliseUser(user)
  const about = normaliseResource(resource, tenant)
  requireText('the action', action)
  return new Question(who, action, about, context === undefined ? undefined : toJsonObject('the context', context))
}

/** Creates one query of a user after the other. */
type QueryFactory = (action: string, resource: ResourceInput, tenant?: string | readonly string[], context?: ContextInput) => Query

/** Many queries of one user, who is normalised already: the shared parts are validated and copied once. */
export function questionsOf (who: QueryUser, shared?: ContextInput): QueryFactory {
  const circumstances = shared === undefined ? undefined : toJsonObject('the context', shared)
  return (action, resource, tenant, context) => {
    const about = normaliseResource(resource, tenant)
    requireText('the action', action)
    return new Question(who, action, about, context === undefined ? circumstances : toJsonObject('the context', context))
  }
}

/**
 * A query made of validated parts. Its key is computed on first use; the embedded PDP does not need it.
 *
 * The key is injective. Each part is preceded by its length, or by a mark for a missing part, so no content can imitate a boundary.
 * Attributes are canonical JSON (sorted names), in which a number and a string differ. Strings are not normalised: two Unicode forms of
 * one text are two queries, as they are for the PDP.
 */
export class Question implements Query {
  #key: string | undefined

  /** @param keys the shared keys of queries that differ only in the user, if there are any */
  constructor (
    readonly user: QueryUser,
    readonly action: string,
    readonly resource: QueryResource,
    readonly context: JsonObject | undefined,
    private readonly keys?: Keys
  ) {}

  get family (): object | undefined {
    return this.keys
  }

  get key (): string {
    this.#key ??= this.keys === undefined
      ? compact(keyOfUser(this.user) + keyAbout(this.action, this.resource, this.context))
      : this.keys.of(this.user)
    return this.#key
  }
}

/** A query about a URL, for a PDP that has URL mapping rules. Its action and its resource are only for logs. */
export class UrlQuestion extends Question {
  readonly url: { readonly method: string, readonly href: string }
  #urlKey: string | undefined

  /** @param query - of the URL, with its question mark; kept out of the resource, which is logged */
  constructor (user: QueryUser, method: string, url: string, query: string, tenant: string) {
    super(user, method.toLowerCase(), { type: 'url', key: url, tenant }, undefined)
    this.url = { method, href: url + query }
  }

  /** No other query's key has the mark after the user. */
  override get key (): string {
    const { method, href } = this.url
    this.#urlKey ??= compact(`${keyOfUser(this.user)}@${keyAbout(method, { type: href, tenant: this.resource.tenant }, undefined)}`)
    return this.#urlKey
  }
}

/** The names are those of a user in a query, and two that a row of a database has for the same and that are left out. */
const requireNoTypo = typoCheck('the user', ['key', 'email', 'firstName', 'lastName', 'attributes', 'first_name', 'last_name'])

/** A user whose roles the app gives. Not an object of the app's, whose own `roles` mean nothing here. */
export class UserWithRoles {
  readonly key: string

  constructor (readonly user: QueryUser) {
    this.key = user.key
  }
}

/** Validates and copies a user. Other properties of the app's user are left out, but none that was meant to be one of these. */
export function normaliseUser (user: UserInput): QueryUser {
  if (typeof user === 'string') {
    requireText('the user', user)
    return { key: user }
  }
  if (typeof user !== 'object' || user === null) {
    const hint = typeof user === 'number' ? '. Convert the number with String(…)' : ''
    throw new QueryError(`the user is ${describe(user)}; expected a string or { key, email?, attributes? }${hint}`)
  }
  if (user instanceof UserWithRoles) return user.user
  requireNoTypo(user)
  const { key, email, firstName, lastName, attributes } = user
  requireText("the user's key", key)
  optionalText("the user's email", email)
  optionalText("the user's firstName", firstName)
  optionalText("the user's lastName", lastName)
  return {
    key,
    email,
    first_name: firstName,
    last_name: lastName,
    attributes: attributes === undefined ? undefined : toJsonObject("the user's attributes", attributes)
  }
}

const RESOURCE_NAMES: readonly string[] = ['type', 'key', 'tenant', 'attributes']

/** Validates a resource, splits its string form and fills in the tenant. `tenant` is the tenant of the check. */
export function normaliseResource (resource: ResourceInput, tenant?: string | readonly string[] | null): QueryResource {
  if (typeof resource === 'string') {
    const { type, key } = splitResource(resource)
    return { type, key, tenant: normaliseTenant(tenant) }
  }
  if (typeof resource !== 'object' || resource === null) {
    throw new QueryError(`the resource is ${describe(resource)}; expected 'type', 'type:key' or { type, key?, tenant?, attributes? }`)
  }
  // Ignoring an unknown name would change the query: { type, id } would be about the resource type.
  requireKnown('the resource', resource, RESOURCE_NAMES)
  const { type, key, attributes } = resource
  requireText("the resource's type", type)
  if (type.includes(':')) throw new QueryError(`the resource's type is ${describe(type)}; a type has no colon. Use { type, key }`)
  optionalText("the resource's key", key)
  return {
    type,
    key,
    tenant: normaliseTenant(resource.tenant ?? tenant),
    attributes: attributes === undefined ? undefined : toJsonObject("the resource's attributes", attributes)
  }
}

/** Splits `'task'` or `'task:123'` at the first colon. An empty key is rejected, because the check would be about the type instead. */
export function splitResource (resource: string): { type: string, key?: string } {
  const { before: type, after: key } = splitAtColon(resource)
  if (key === undefined) {
    requireText('the resource', resource)
    return { type }
  }
  if (type === '' || key === '') {
    throw new QueryError(`the resource is ${describe(resource)}; expected 'type' or 'type:key' with non-empty type and key`)
  }
  return { type, key }
}

/** The tenant, or {@link DEFAULT_TENANT}. An empty one is rejected: it is more likely a mistake than meant as the default. */
export function normaliseTenant (tenant: string | readonly string[] | undefined | null): string {
  if (tenant === undefined || tenant === null) return DEFAULT_TENANT
  requireText('the tenant', tenant)
  return tenant
}

/** A deep copy of `value` as JSON represents it. So a query cannot change while it waits, and every PDP gets the same values. */
export function toJsonObject (what: string, value: unknown): JsonObject {
  if (!isRecord(value) || isOpaque(value)) throw new QueryError(`${what} must be an object, got ${kindOf(value)}`)
  const excess = limitExceeded(value, MAX_VALUES)
  // Not a mistake of the app: the values may come from a client.
  if (excess === 'large') {
    throw new UnavailableError(new PdpError('overload', `${what} has too many values; a check may have at most ${MAX_VALUES}`))
  }
  let text: string | undefined
  try {
    if (excess === 'endless') throw new RangeError('nested too deep, or a cycle')
    text = canonicalJson(value)
  } catch {
    // Without the cause, whose message may quote an attribute value.
    throw new QueryError(`${what} cannot be sent as JSON. Remove NaN, BigInt, functions, promises, Map, Set and circular references`)
  }
  const copy: unknown = text === undefined ? undefined : readJson(text)
  if (!isRecord(copy)) throw new QueryError(`${what} must be an object when serialized as JSON`)
  return copy as JsonObject
}
