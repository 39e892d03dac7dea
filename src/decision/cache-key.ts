// The key of a query, under which its decision is cached: equal for equal questions, different for different ones, and bounded.
import { isKeyOnly, type GivenRoles, type JsonObject, type QueryResource, type QueryUser } from '../contract/point.js'
import { canonicalJson } from '../kit/canonical-json.js'
import { digestOfText } from '../kit/digest.js'

/** The most keys that are kept for one annotation. */
const MAX_KEYS = 1_024

/**
 * The keys of queries that differ only in the user. For users without attributes the keys are kept, because building and hashing one costs
 * more than the rest of a cache hit.
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
      // Both are copies: a slice would keep the whole text that it comes from, such as a header, in memory.
      this.#known.set(Buffer.from(user.key, 'utf16le').toString('utf16le'), flat(key))
    }
    return key
  }
}

/**
 * Flattens a concatenated string. V8 keeps such a string as a tree of its parts, which takes twice the memory and keeps alive the strings
 * that its parts were sliced from, until a character is read. This reads one. The result depends on it, because V8's compiler leaves out
 * what nothing depends on, as it did in Node 22.
 */
export function flat (text: string): string {
  return text.charCodeAt(0) === 0xffff ? text.slice(0) : text
}

/** The longest key, characters: long values from clients must not fill the cache's memory. */
const MAX_KEY = 512

/**
 * Replaces a long key by its hash. No other key begins with `#`. The hash is computed over UTF-16, because all lone surrogates are equal
 * in UTF-8.
 */
export function compact (key: string): string {
  return key.length <= MAX_KEY ? key : '#' + digestOfText(key)
}

/** The user parts of the keys of users with attributes: one user may be in many checks. */
const USER_KEYS = new WeakMap<QueryUser, string>()

export function keyOfUser (user: QueryUser): string {
  if (user.attributes === undefined) return partsOfUser(user)
  let key = USER_KEYS.get(user)
  if (key === undefined) USER_KEYS.set(user, key = partsOfUser(user))
  return key
}

function partsOfUser (user: QueryUser): string {
  const parts = part(user.key) + part(user.email) + part(user.first_name) + part(user.last_name) + jsonPart(user.attributes)
  return user.roles === undefined ? parts : parts + rolesPart(user.roles)
}

/** Begins with a mark that follows no other user, and has the number of what comes, so that it ends where it must. */
function rolesPart (given: GivenRoles): string {
  let text = `&${given.length};`
  for (const [tenant, roles] of given) {
    text += `${part(tenant)}${roles.length};`
    for (const role of roles) text += part(role)
  }
  return text
}

/** The part of a query's key that does not depend on the user. */
export function keyAbout (action: string, resource: QueryResource, context: JsonObject | undefined): string {
  return part(action) + part(resource.type) + part(resource.key) + part(resource.tenant) + jsonPart(resource.attributes) + jsonPart(context)
}

function part (text: string | undefined): string {
  return text === undefined ? '-' : `${text.length}:${text}`
}

function jsonPart (value: JsonObject | undefined): string {
  return value === undefined ? '-' : part(canonicalJson(value) as string)
}
