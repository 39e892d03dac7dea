// The nouns of AuthZEN 1.0, and the engine's question that they make, as Permit's PDP reads them.
import Type, { type Static } from 'typebox'
import { Failure } from '../http/failures.js'
import { Attributes } from './wire.js'
import { NO_TENANT, type EngineQuery } from '../../engine/engine-query.js'

/** `null` is as good as missing. */
const properties = Type.Optional(Type.Union([Attributes, Type.Null()]))

export const Subject = Type.Object({ type: Type.String(), id: Type.String(), properties })
export const Action = Type.Object({ name: Type.String(), properties })
export const Resource = Type.Object({ type: Type.String(), id: Type.String(), properties }, {
  description: 'Its tenant is `properties.tenant`, as in Permit\'s PDP. Without one no role in a tenant counts.'
})
export const Context = properties
/** Subjects and resources that are searched for. */
export const Searched = Type.Object({ type: Type.String(), id: Type.Optional(Type.Unknown()), properties })

type Properties = Static<typeof properties>

/** A question, of which parts may be missing. */
export interface Evaluation {
  readonly subject?: Static<typeof Subject>
  readonly action?: Static<typeof Action>
  readonly resource?: Static<typeof Resource>
  readonly context?: Properties
}

/**
 * The question with all of its parts.
 *
 * @throws 400 when one is missing
 */
export function complete ({ subject, action, resource, context }: Evaluation): Required<Omit<Evaluation, 'context'>> & Pick<Evaluation, 'context'> {
  if (subject !== undefined && action !== undefined && resource !== undefined) return { subject, action, resource, context }
  const missing = subject === undefined ? 'subject' : action === undefined ? 'action' : 'resource'
  throw new Failure(400, `there is no ${missing}, and no default for it`)
}

/** The question as the engine takes it. */
export function toQuery ({ subject, action, resource, context }: ReturnType<typeof complete>): EngineQuery {
  return { user: userOf(subject), action: action.name, resource: { ...resourceOf(resource), key: resource.id === '' ? undefined : resource.id }, context: context ?? undefined }
}

/** Whether subjects of the type are users. Permit's PDP takes every type for one. */
export function isUser (type: string, userTypes: readonly string[] | undefined): boolean {
  return userTypes === undefined || userTypes.includes(type)
}

/** Many questions may share a subject, or a resource: it is copied once. */
const USERS = new WeakMap<object, EngineQuery['user']>()
const RESOURCES = new WeakMap<object, EngineQuery['resource']>()

/** The subject as a user: names and e-mail address are no attributes. */
export function userOf (subject: Pick<Static<typeof Subject>, 'id' | 'properties'>): EngineQuery['user'] {
  let user = USERS.get(subject)
  if (user === undefined) USERS.set(subject, user = newUser(subject))
  return user
}

function newUser ({ id, properties }: Pick<Static<typeof Subject>, 'id' | 'properties'>): EngineQuery['user'] {
  const { email, first_name: first, last_name: last, ...attributes } = properties ?? {}
  return { key: id, email: textOf(email), first_name: textOf(first), last_name: textOf(last), attributes }
}

/** The resource: its tenant is no attribute. */
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
 * The tenant that the properties name.
 *
 * @throws 400 when it is no text: what is meant cannot be told
 */
export function tenantOf ({ properties }: { readonly properties?: Properties }): string | undefined {
  const tenant = properties?.['tenant'] ?? undefined
  if (tenant !== undefined && typeof tenant !== 'string') throw new Failure(400, 'resource.properties.tenant: must be a string')
  return tenant
}

function textOf (value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
