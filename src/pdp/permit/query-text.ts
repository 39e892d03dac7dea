// Writes queries as JSON of Permit's wire. Building an object for each query and serializing it would take most of the time of a miss.
import { isKeyOnly, type Query, type QueryUser } from '../../contract/point.js'

/** The JSON of what the queries of a family have in common: everything but the user. */
const FAMILIES = new WeakMap<object, string>()

/** The body of a check. */
export function queryText (query: Query): string {
  const { user, family } = query
  return `{"user":${userText(user)},${family === undefined ? aboutText(query) : familyText(family, query)}}`
}

/** The body of a check by URL. */
export function urlText ({ user, resource: { tenant }, context = {} }: Query, { method, href }: NonNullable<Query['url']>): string {
  return `{"user":${userText(user)},${JSON.stringify({ http_method: method, url: href, tenant, context }).slice(1)}`
}

function userText (user: QueryUser): string {
  return isKeyOnly(user) ? `{"key":${JSON.stringify(user.key)}}` : JSON.stringify(user)
}

function familyText (family: object, query: Query): string {
  let text = FAMILIES.get(family)
  if (text === undefined) FAMILIES.set(family, text = aboutText(query))
  return text
}

/** A query without its user, and without the brackets around it. */
function aboutText ({ action, resource, context = {} }: Query): string {
  return JSON.stringify({ action, resource, context }).slice(1, -1)
}
