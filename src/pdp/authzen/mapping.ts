// From a query to an AuthZEN evaluation, and each part of it as JSON text: written once, compared and sent as it is.
import { QueryError } from '../../contract/errors.js'
import { isRecord } from '../../kit/is-record.js'
import type { Query } from '../../contract/point.js'
import type { Evaluation, EvaluationMap } from '../../contract/evaluation.js'

/** The subject's type, unless `map` says otherwise. */
export const SUBJECT_TYPE = 'user'

/**
 * The id of a resource of which only the type is asked about: AuthZEN wants one. A resource whose own key it is cannot be told from
 * the type, and is denied without asking.
 */
export const ANY_ID = '*'

/**
 * The default mapping. What the query fills in wins over attributes of the same name: no attribute can be taken for the
 * tenant, or for the user's email.
 */
export function toEvaluation ({ user, action, resource, context }: Query): Evaluation {
  const { key, attributes, ...named } = user
  // What is undefined must not take the place of an attribute.
  const given = Object.entries(named).filter(([, value]) => value !== undefined)
  const properties = attributes === undefined && given.length === 0 ? undefined : { ...attributes, ...Object.fromEntries(given) }
  return {
    subject: { type: SUBJECT_TYPE, id: key, properties },
    action: { name: action },
    resource: { type: resource.type, id: resource.key ?? ANY_ID, properties: { ...resource.attributes, tenant: resource.tenant } },
    // Some PDPs insist on one in a batch.
    context: context ?? {}
  }
}

/** An evaluation as text, part by part, and what it is about. */
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
 * The evaluation that a query becomes, written.
 * @throws `QueryError` when `map` throws, or gives something that is no evaluation
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
    // As JSON has it, once: what is checked, what is compared with other people's questions and what is sent are the same.
    evaluation = isEvaluation(given) ? JSON.parse(JSON.stringify(given)) : undefined
    sendable = isEvaluation(evaluation)
  } catch (cause) {
    throw new QueryError('the option authzen.map threw, or returned what JSON cannot carry', { cause })
  }
  if (!sendable) {
    throw new QueryError('the option authzen.map returned something that is no evaluation; expected { subject: { type, id, properties? }, action: { name, properties? }, resource: { type, id, properties? }, context? }, with strings that are not empty')
  }
  return evaluation as Evaluation
}

// By hand: it is called for each question that travels, and what a function of the app returns may be anything.
function isEvaluation (value: unknown): boolean {
  if (!isRecord(value)) return false
  const { subject, action, resource, context } = value
  return isEntity(subject) && isEntity(resource) && isRecord(action) && isText(action.name) && isProperties(action.properties) && isProperties(context)
}

function isEntity (value: unknown): boolean {
  return isRecord(value) && isText(value.type) && isText(value.id) && isProperties(value.properties)
}

function isProperties (value: unknown): boolean {
  // Written here, so that what JSON cannot carry is found before it is among other people's questions.
  return value === undefined || (isRecord(value) && JSON.stringify(value).startsWith('{'))
}

function isText (value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}
