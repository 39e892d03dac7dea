// A question to the PDP, normalised once, with a key that no two different questions share.
import { configure } from 'safe-stable-stringify'
import { PdpError, QueryError, UnavailableError } from '../contract/errors.js'
import { DEFAULT_TENANT } from '../engine/facts/fact.js'
import { excessOf, MAX_VALUES } from './question-size.js'
import type { JsonObject, Query, QueryResource, QueryUser } from '../contract/point.js'
import type { ResourceType } from '../contract/vocabulary.js'
import { digestOfText } from '../kit/digest.js'
import { splitAtColon } from '../kit/colon.js'
import { describe, kindOf, optionalText, requireKnown, requireText } from './input.js'

/** Who asks. A string is the user's key. */
export type UserInput = string | {
  /** The user's key in Permit: any string that is unique to the user. */
  readonly key: string
  readonly email?: string
  readonly firstName?: string
  readonly lastName?: string
  /** Attributes for conditions (ABAC); they win over those that the PDP has stored. */
  readonly attributes?: Readonly<Record<string, unknown>>
}

/**
 * What is acted on: `'task'`, `'task:123'` (split at the first colon: a key may contain colons), or an object.
 * Without a key the question is about the type.
 */
export type ResourceInput<T extends ResourceType = ResourceType> = T | `${T}:${string}` | {
  readonly type: T
  readonly key?: string
  /** The tenant that the resource belongs to; default: that of the check, in the end `default`. */
  readonly tenant?: string
  /** Attributes for conditions (ABAC); they win over those that the PDP has stored. */
  readonly attributes?: Readonly<Record<string, unknown>>
}

/** Facts about the circumstances, for conditions on `context.*`: the time, the network, the device. */
export type ContextInput = Readonly<Record<string, unknown>>

// Strict: what JSON cannot carry (NaN, a BigInt, a cycle) is refused here instead of becoming something else on the wire.
const canonical = configure({ deterministic: true, strict: true, bigint: false })

/**
 * The question `user` asks: may I do `action` on `resource`? Checks and copies every part.
 * @throws {@link QueryError} that names the part and what is expected.
 */
export function createQuery (
  user: UserInput, action: string, resource: ResourceInput, tenant?: string | readonly string[], context?: ContextInput
): Query {
  const who = normaliseUser(user)
  const about = normaliseResource(resource, tenant)
  requireText('the action', action)
  return new Question(who, action, about, context === undefined ? undefined : toJsonObject('the context', context))
}

/** Many questions of one user: what they share is checked and copied once. */
export function questionsOf (user: UserInput, shared?: ContextInput): (action: string, resource: ResourceInput, tenant?: string | readonly string[], context?: ContextInput) => Query {
  const who = normaliseUser(user)
  const circumstances = shared === undefined ? undefined : toJsonObject('the context', shared)
  return (action, resource, tenant, context) => {
    const about = normaliseResource(resource, tenant)
    requireText('the action', action)
    return new Question(who, action, about, context === undefined ? circumstances : toJsonObject('the context', context))
  }
}

/**
 * A query, put together from parts that were checked. Its key is made when somebody wants it: the embedded PDP does not.
 *
 * The key is injective: each part is preceded by its length or by a mark that says that it is absent, so that no content
 * can look like a boundary, and attributes are canonical JSON (names sorted), in which a number and a string differ.
 * Strings are compared as they are: two unicode forms of one text are two questions, as they are for the PDP.
 */
export class Question implements Query {
  #key: string | undefined

  /** @param keys those of questions that differ in nothing but the user, where there are such. */
  constructor (
    readonly user: QueryUser,
    readonly action: string,
    readonly resource: QueryResource,
    readonly context: JsonObject | undefined,
    private readonly keys?: Keys
  ) {}

  get key (): string {
    this.#key ??= this.keys === undefined
      ? compact(keyOfUser(this.user) + keyAbout(this.action, this.resource, this.context))
      : this.keys.of(this.user)
    return this.#key
  }
}

/** Keys that are remembered for one annotation at most. */
const MAX_KEYS = 1_024

/**
 * The keys of questions that differ in nothing but the user. Those of users who are told by their own key alone are remembered: to put
 * one together, and to hash it, costs more than the rest of a cache hit.
 */
export class Keys {
  readonly #about: string
  readonly #known = new Map<string, string>()

  constructor (action: string, resource: QueryResource, context: JsonObject | undefined) {
    this.#about = keyAbout(action, resource, context)
  }

  of (user: QueryUser): string {
    const known = this.#known.get(user.key)
    return known !== undefined && isKeyOnly(user) ? known : this.#make(user)
  }

  #make (user: QueryUser): string {
    const key = compact(keyOfUser(user) + this.#about)
    if (isKeyOnly(user) && user.key.length <= MAX_KEY / 2) {
      if (this.#known.size >= MAX_KEYS) this.#known.clear()
      // Copies, both: what the user's key was cut out of, such as a header, is not kept with them.
      this.#known.set(Buffer.from(user.key, 'utf16le').toString('utf16le'), flat(key))
    }
    return key
  }
}

/**
 * A text that was put together is kept by V8 as the tree of its pieces, twice the size of the text, and with whatever a
 * piece was cut out of, until somebody looks into it. A key that stays is looked into once: it takes half the memory.
 */
export function flat (text: string): string {
  text.charCodeAt(0)
  return text
}

function isKeyOnly (user: QueryUser): boolean {
  return user.email === undefined && user.first_name === undefined && user.last_name === undefined && user.attributes === undefined
}

/** Characters of a key at most: what a client can make long must not fill the cache's memory. */
const MAX_KEY = 512

/**
 * A long key becomes its hash. No other key begins with `#`. The hash is over UTF-16: in UTF-8, all lone surrogates
 * would be one.
 */
function compact (key: string): string {
  return key.length <= MAX_KEY ? key : '#' + digestOfText(key)
}

/** What users with attributes have of a key: many questions may be asked of one of them. */
const USER_KEYS = new WeakMap<QueryUser, string>()

function keyOfUser (user: QueryUser): string {
  if (user.attributes === undefined) return partsOfUser(user)
  let key = USER_KEYS.get(user)
  if (key === undefined) USER_KEYS.set(user, key = partsOfUser(user))
  return key
}

function partsOfUser (user: QueryUser): string {
  return part(user.key) + part(user.email) + part(user.first_name) + part(user.last_name) + jsonPart(user.attributes)
}

/** The part of a query's key that does not depend on the user. */
function keyAbout (action: string, resource: QueryResource, context: JsonObject | undefined): string {
  return part(action) + part(resource.type) + part(resource.key) + part(resource.tenant) + jsonPart(resource.attributes) + jsonPart(context)
}

function part (text: string | undefined): string {
  return text === undefined ? '-' : `${text.length}:${text}`
}

function jsonPart (value: JsonObject | undefined): string {
  return value === undefined ? '-' : part(canonical(value) as string)
}

/** Checks a user and copies it. */
export function normaliseUser (user: UserInput): QueryUser {
  if (typeof user === 'string') {
    requireText('the user', user)
    return { key: user }
  }
  if (typeof user !== 'object' || user === null) throw new QueryError(`the user is ${describe(user)}; expected a string or { key, email?, attributes? }${typeof user === 'number' ? ': write String(…) around the number' : ''}`)
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

/** Checks a resource, splits its string form and fills in the tenant. `tenant` is that of the check. */
export function normaliseResource (resource: ResourceInput, tenant?: string | readonly string[] | null): QueryResource {
  if (typeof resource === 'string') {
    const { type, key } = splitResource(resource)
    return { type, key, tenant: normaliseTenant(tenant) }
  }
  if (typeof resource !== 'object' || resource === null) throw new QueryError(`the resource is ${describe(resource)}; expected 'type', 'type:key' or { type, key?, tenant?, attributes? }`)
  // What is dropped would leave another question: { type, id } is about the whole type.
  requireKnown('the resource', resource, RESOURCE_NAMES)
  const { type, key, attributes } = resource
  requireText("the resource's type", type)
  if (type.includes(':')) throw new QueryError(`the resource's type is ${describe(type)}; a type has no colon: write { type, key }`)
  optionalText("the resource's key", key)
  return {
    type,
    key,
    tenant: normaliseTenant(resource.tenant ?? tenant),
    attributes: attributes === undefined ? undefined : toJsonObject("the resource's attributes", attributes)
  }
}

/** `'task'` or `'task:123'`, split at the first colon. An empty key is refused: it would quietly ask about the type. */
export function splitResource (resource: string): { type: string, key?: string } {
  const { before: type, after: key } = splitAtColon(resource)
  if (key === undefined) {
    requireText('the resource', resource)
    return { type }
  }
  if (type === '' || key === '') throw new QueryError(`the resource is ${describe(resource)}; expected 'type' or 'type:key', neither of them empty`)
  return { type, key }
}

/** The tenant, or {@link DEFAULT_TENANT}. An empty one is refused: it is more likely lost than meant as the default. */
export function normaliseTenant (tenant: string | readonly string[] | undefined | null): string {
  if (tenant === undefined || tenant === null) return DEFAULT_TENANT
  requireText('the tenant', tenant)
  return tenant
}

/** A deep copy of what JSON carries of `value`: what is asked cannot change while it waits, and every PDP sees the same. */
export function toJsonObject (what: string, value: unknown): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new QueryError(`${what} must be an object, got ${kindOf(value)}`)
  const excess = excessOf(value)
  // No mistake of the app's: a client may have filled them.
  if (excess === 'large') throw new UnavailableError(new PdpError('overload', `${what} has more values than the ${MAX_VALUES} that a question may have`))
  let text: string | undefined
  try {
    if (excess === 'endless') throw new RangeError('nested too deep, or a cycle')
    text = canonical(value)
  } catch {
    // The cause's message may quote a value, and attribute values stay out of errors.
    throw new QueryError(`${what} cannot be sent as JSON: no NaN, BigInt, function or cycle, please`)
  }
  const copy: unknown = text === undefined ? undefined : JSON.parse(text)
  if (typeof copy !== 'object' || copy === null || Array.isArray(copy)) throw new QueryError(`${what} must be an object when sent as JSON`)
  return copy as JsonObject
}
