// Questions of the page: read from a header, and shown without the values that nobody asked to see.
import { QueryError } from '../contract/errors.js'
import type { JsonObject, Query } from '../contract/point.js'
import { createQuery } from '../decision/query.js'
import { isRecord } from '../kit/is-record.js'
import { readJson } from '../kit/read-json.js'
import { splitAtColon } from '../kit/split-at-colon.js'
import type { InspectorQuestion } from './inspector-row.js'

/** The header that questions come in: addresses are logged, and a page of another site cannot send it. */
export const QUESTION_HEADER = 'x-inspector-question'

/** The most characters of the header: Node takes 16,384 of all headers. */
const MAX_QUESTION = 12_000

/**
 * Reads the header.
 * @throws `QueryError`
 */
export function readParameters (header: string | string[] | undefined): Readonly<Record<string, unknown>> {
  if (typeof header !== 'string' || header.length > MAX_QUESTION) {
    throw new QueryError(`the header ${QUESTION_HEADER} is missing, or has more than ${MAX_QUESTION} characters`)
  }
  let parameters: unknown
  try {
    parameters = readJson(decodeURIComponent(header))
  } catch (cause) {
    throw new QueryError(`the header ${QUESTION_HEADER} is not JSON with percent-encoding`, { cause })
  }
  if (!isRecord(parameters)) throw new QueryError(`the header ${QUESTION_HEADER} is not a JSON object`)
  return parameters
}

/**
 * The question of the form.
 * @throws `QueryError` that names the part that is wrong
 */
export function queryOfForm ({ user, action, resource, tenant, ...values }: Readonly<Record<string, unknown>>): Query {
  const text = (name: string, value: unknown): string => {
    if (typeof value !== 'string' || value === '') throw new QueryError(`the ${name} is missing`)
    return value
  }
  const object = (name: string, value: unknown): JsonObject | undefined => {
    if (value !== undefined && !isRecord(value)) throw new QueryError(`the ${name} is not a JSON object, such as {"department": "sales"}`)
    return value as JsonObject | undefined
  }
  const { before: type, after: key } = splitAtColon(text('resource', resource))
  return createQuery(
    { key: text('user', user), attributes: object('attributes of the user', values['userAttributes']) },
    text('action', action),
    { type, key, attributes: object('attributes of the resource', values['resourceAttributes']) },
    tenant === undefined ? undefined : text('tenant', tenant),
    object('context', values['context'])
  )
}

/** The question as the page shows it. */
export function shownQuestion ({ user, action, resource, context }: Query, values: boolean): InspectorQuestion {
  const { key, attributes, ...others } = user
  // A user that was given as an object has each of its members, most of them undefined.
  const details = Object.fromEntries(Object.entries(others).filter(([, value]) => value !== undefined))
  const shown = (given: JsonObject | undefined): JsonObject | undefined => given === undefined || values ? given : withoutValues(given)
  const all = [attributes, resource.attributes, context, details]
  return {
    user: { key, ...shown(details), attributes: shown(attributes) },
    action,
    resource: { ...resource, attributes: shown(resource.attributes) },
    context: shown(context),
    hidden: !values && all.some(given => given !== undefined && Object.keys(given).length > 0)
  }
}

/** The names stay. */
function withoutValues (given: JsonObject): JsonObject {
  return Object.fromEntries(Object.keys(given).map(name => [name, '(hidden)']))
}
