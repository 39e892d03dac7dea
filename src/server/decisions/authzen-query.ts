// The entities of AuthZEN 1.0, and how they become a query of the engine, as Permit's PDP reads them.
import Type, { type Static } from 'typebox'
import { Failure } from '../http/error-responses.js'
import { Attributes } from './wire.js'
import { NO_TENANT, type EngineQuery } from '../../engine/engine-query.js'

/** `null` counts as missing. */
const properties = Type.Optional(Type.Union([Attributes, Type.Null()]))

export const Subject = Type.Object({ type: Type.String(), id: Type.String(), properties })
export const Action = Type.Object({ name: Type.String(), properties })
export const Resource = Type.Object({ type: Type.String(), id: Type.String(), properties }, {
  description: 'The tenant is in `properties.tenant`, as in Permit\'s PDP. Without a tenant, no role in a tenant counts.'
})
export const Context = properties
/** Subjects and resources in a search. */
export const Searched = Type.Object({ type: Type.String(), id: Type.Optional(Type.Unknown()), properties })

type Properties = Static<typeof properties>

/** A question whose parts may be missing. */
export interface Evaluation {
  readonly subject?: Static<typeof Subject>
  readonly action?: Static<typeof Action>
  readonly resource?: Static<typeof Resource>
  readonly context?: Properties
}

/** A question with all parts; only the context is optional. */
type CompleteEvaluation = Required<Omit<Evaluation, 'context'>> & Pick<Evaluation, 'context'>

/**
 * Checks that no part of the question is missing.
 *
 * @throws 400 when a part is missing
 */
export function complete ({ subject, action, resource, context }: Evaluation): CompleteEvaluation {
  if (subject !== undefined && action !== undefined && resource !== undefined) return { subject, action, resource, context }
  const missing = subject === undefined ? 'subject' : action === undefined ? 'action' : 'resource'
  throw new Failure(400, `the ${missing} is missing, and has no default`)
}

/** The key of a resource, as the engine takes it. An empty key means the whole type. */
export function keyOf ({ id }: { readonly id: string }): string | undefined {
  return id === '' ? undefined : id
}

/** Converts the question to a query of the engine. */
export function toQuery ({ subject, action, resource, context }: CompleteEvaluation): EngineQuery {
  return {
    user: userOf(subject),
    action: action.name,
    resource: { ...resourceOf(resource), key: keyOf(resource) },
    context: context ?? undefined
  }
}

/** Whether subjects of the type are users. Without `userTypes` every type is, as in Permit's PDP. */
export function isUser (type: string, userTypes: readonly string[] | undefined): boolean {
  return userTypes === undefined || userTypes.includes(type)
}

/** Many questions may share a subject or a resource, which is then converted only once. */
const USERS = new WeakMap<object, EngineQuery['user']>()
const RESOURCES = new WeakMap<object, EngineQuery['resource']>()

/** The subject as a user. The names and the email address do not become attributes. */
export function userOf (subject: Pick<Static<typeof Subject>, 'id' | 'properties'>): EngineQuery['user'] {
  let user = USERS.get(subject)
  if (user === undefined) USERS.set(subject, user = newUser(subject))
  return user
}

function newUser ({ id, properties }: Pick<Static<typeof Subject>, 'id' | 'properties'>): EngineQuery['user'] {
  const { email, first_name: first, last_name: last, ...attributes } = properties ?? {}
  return { key: id, email: textOf(email), first_name: textOf(first), last_name: textOf(last), attributes }
}

/** The resource. The tenant does not become an attribute. */
export function resourceOf (resource: { readonly type: string, readonly properties?: Properties }): EngineQuery['resource'] {
  let known = RESOURCES.get(resource)
  if (known === undefined) RESOURCES.set(resource, known = newResource(resource))
  return known
}

function newResource ({ type, properties }: { readonly type: string, readonly properties?: Properties }): EngineQuery['resource'] {
  const { tenant: _tenant, ...attributes } = properties ?? {}
  return { type, tenant: tenantOf({ properties }) ?? NO_TENANT, attributes }
}

/**
 * The tenant in the properties.
 *
 * @throws 400 when it is not a string
 */
export function tenantOf ({ properties }: { readonly properties?: Properties }): string | undefined {
  const tenant = properties?.['tenant'] ?? undefined
  if (tenant !== undefined && typeof tenant !== 'string') throw new Failure(400, 'resource.properties.tenant: must be a string')
  return tenant
}

function textOf (value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
