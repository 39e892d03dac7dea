// Maps a query to an AuthZEN evaluation, and writes each part as JSON text, which is then compared and sent as it is.
import { QueryError } from '../../contract/errors.js'
import { isRecord } from '../../kit/is-record.js'
import type { Query } from '../../contract/point.js'
import type { Evaluation, EvaluationMap } from '../../contract/evaluation.js'
import { readJson } from '../../kit/read-json.js'

/** The subject's type, unless `map` changes it. */
const SUBJECT_TYPE = 'user'

/**
 * The resource id in a check on a resource type: AuthZEN requires an id. A resource with this key could not be distinguished from its
 * type, so it is denied without asking the PDP.
 */
export const ANY_ID = '*'

/**
 * The default mapping. The query's own fields take precedence over attributes of the same name, so that no attribute can be mistaken for
 * the tenant or the user's email.
 */
function toEvaluation ({ user, action, resource, context }: Query): Evaluation {
  const { key, attributes, ...named } = user
  // A field that is undefined must not override an attribute.
  const given = Object.entries(named).filter(([, value]) => value !== undefined)
  const properties = attributes === undefined && given.length === 0 ? undefined : { ...attributes, ...Object.fromEntries(given) }
  return {
    subject: { type: SUBJECT_TYPE, id: key, properties },
    action: { name: action },
    resource: { type: resource.type, id: resource.key ?? ANY_ID, properties: { ...resource.attributes, tenant: resource.tenant } },
    // Some PDPs require a context in a batch.
    context: context ?? {}
  }
}

/** An evaluation with each part as JSON text, and its ids. */
export interface WrittenEvaluation {
  readonly subject: string
  readonly action: string
  readonly resource: string
  readonly context: string
  readonly subjectId: string
  readonly resourceType: string
  readonly resourceId: string
}

/**
 * Writes the evaluation for a query.
 * @throws `QueryError` when `map` throws or returns an invalid evaluation
 */
export function writeEvaluation (query: Query, map?: EvaluationMap): WrittenEvaluation {
  const evaluation = map === undefined ? toEvaluation(query) : mapped(query, map)
  const { subject, action, resource, context } = evaluation
  return {
    subject: JSON.stringify(subject),
    action: JSON.stringify(action),
    resource: JSON.stringify(resource),
    context: context === undefined ? '{}' : JSON.stringify(context),
    subjectId: subject.id,
    resourceType: resource.type,
    resourceId: resource.id
  }
}

function mapped (query: Query, map: EvaluationMap): Evaluation {
  let evaluation: unknown
  let sendable: boolean
  try {
    const given: unknown = map(toEvaluation(query), query)
    // Converted through JSON once, so that the validated, compared and sent values are the same.
    evaluation = isEvaluation(given) ? readJson(JSON.stringify(given)) : undefined
    sendable = isEvaluation(evaluation)
  } catch (cause) {
    throw new QueryError('the option "authzen.map" threw an error or returned a value that JSON cannot represent', { cause })
  }
  if (!sendable) {
    throw new QueryError('the option "authzen.map" returned an invalid evaluation; expected { subject: { type, id, properties? }, ' +
      'action: { name, properties? }, resource: { type, id, properties? }, context? } with non-empty strings')
  }
  return evaluation as Evaluation
}

// Written by hand, because it runs for each check that is sent. A function of the app may return anything.
function isEvaluation (value: unknown): boolean {
  if (!isRecord(value)) return false
  const { subject, action, resource, context } = value
  return isEntity(subject) && isEntity(resource) && isProperties(context) &&
    isRecord(action) && isText(action.name) && isProperties(action.properties)
}

function isEntity (value: unknown): boolean {
  return isRecord(value) && isText(value.type) && isText(value.id) && isProperties(value.properties)
}

function isProperties (value: unknown): boolean {
  // Serialized here to find values that JSON cannot represent before they are batched with other checks.
  return value === undefined || (isRecord(value) && JSON.stringify(value).startsWith('{'))
}

function isText (value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}
