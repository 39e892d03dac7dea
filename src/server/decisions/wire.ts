// The PDP's wire: what questions look like, tolerant where the container is, and what the engine is asked for them.
import Type, { type Static, type TSchema } from 'typebox'
import { DEFAULT_TENANT } from '../../engine/facts/fact.js'
import type { EngineQuery } from '../../engine/query.js'

/** Questions at once. */
export const MAX_BULK = 10_000

/** Clients of other languages write `null` for what they do not have. */
const optional = <T extends TSchema>(schema: T) => Type.Optional(Type.Union([schema, Type.Null()]))

/** A key: of a user, an action, a resource type, a tenant. */
export const Key = Type.String({ minLength: 1 })
/** Attributes, and contexts. */
export const Attributes = Type.Record(Type.String(), Type.Unknown())

/** A user, as in a question. */
export const WireUser = Type.Object({
  key: Key,
  email: optional(Type.String()),
  first_name: optional(Type.String()),
  last_name: optional(Type.String()),
  // The container takes these spellings, too, and the Node SDK sends them.
  firstName: optional(Type.String()),
  lastName: optional(Type.String()),
  attributes: optional(Attributes)
}, { description: 'Who asks.' })

/** A resource, as in a question. */
export const WireResource = Type.Object({
  type: Key,
  key: optional(Key),
  tenant: optional(Key),
  attributes: optional(Attributes),
  context: optional(Attributes)
}, { description: 'What it is about. No tenant means `default`.' })

/** The context of a question. */
export const Context = optional(Attributes)

/** The question of `/allowed`. */
export const AllowedQuery = Type.Object({
  user: WireUser, action: Key, resource: WireResource, context: Context, sdk: optional(Type.String())
}, { description: 'May this user do this action on this resource?' })

/** The question of `/allowed_url`. */
export const UrlQuery = Type.Object({ user: WireUser, http_method: Type.String(), url: Type.String(), tenant: Type.String(), context: Context })

/** The question of `/user-permissions`. */
export const UserPermissionsQuery = Type.Object({
  user: WireUser,
  tenants: optional(Type.Array(Type.String())),
  resources: optional(Type.Array(Type.String())),
  resource_types: optional(Type.Array(Type.String())),
  context: Context
})

/** The question of `/user-tenants`. */
export const UserTenantsQuery = Type.Object({ user: WireUser, context: Context })

/** The question of `/authorized_users`. */
export const AuthorizedUsersQuery = Type.Object({ action: Key, resource: WireResource, context: Context })

const Reason = Type.Object({ allow: Type.Boolean(), code: Type.String(), reason: Type.String() }, { description: 'What a model says, and why.' })

/** The answer of `/allowed`. */
export const Allowed = Type.Object({
  allow: Type.Boolean(),
  result: Type.Boolean({ description: 'As `allow`, for old SDKs.' }),
  debug: Type.Optional(Type.Partial(Type.Object({ rbac: Reason, abac: Reason, rebac: Reason })))
})

const Tenant = Type.Object({ key: Type.String(), attributes: Attributes })

/** The answer of `/allowed/all-tenants`. */
export const AllTenants = Type.Object({ allowed_tenants: Type.Array(Type.Object({ allow: Type.Boolean(), tenant: Tenant })) })

/** The answer of `/user-permissions`. */
export const UserPermissions = Type.Record(Type.String(), Type.Object({
  tenant: Type.Optional(Type.Object({ key: Type.String(), attributes: Type.Optional(Attributes) }, { description: 'Without attributes there is no such member.' })),
  resource: Type.Optional(Type.Object({ key: Type.String(), type: Type.String(), attributes: Attributes })),
  permissions: Type.Array(Type.String()),
  roles: Type.Optional(Type.Array(Type.String()))
}), { description: 'By `__tenant:<key>` and `<type>:<key>`.' })

/** The answer of `/user-tenants`. */
export const UserTenants = Type.Array(Tenant)

/** The answer of `/authorized_users`. */
export const AuthorizedUsers = Type.Object({
  resource: Type.String(),
  tenant: Type.String(),
  users: Type.Record(Type.String(), Type.Array(Type.Object({
    user: Type.String(), tenant: Type.String(), resource: Type.String(), role: Type.String()
  })))
})

/** The question as the engine takes it. */
export function toEngineQuery ({ user, action, resource, context }: Static<typeof AllowedQuery>): EngineQuery {
  return { user: toEngineUser(user), action, resource: toEngineResource(resource), context: contextOf(resource, context) }
}

/** The user as the engine takes it: without what is `null`, and under one spelling. */
export function toEngineUser ({ key, email, first_name: first, last_name: last, firstName, lastName, attributes }: Static<typeof WireUser>): EngineQuery['user'] {
  return {
    key,
    email: email ?? undefined,
    first_name: first ?? firstName ?? undefined,
    last_name: last ?? lastName ?? undefined,
    attributes: attributes ?? undefined
  }
}

/** The resource as the engine takes it. */
export function toEngineResource ({ type, key, tenant, attributes }: Static<typeof WireResource>): EngineQuery['resource'] {
  return { type, key: key ?? undefined, tenant: tenant ?? DEFAULT_TENANT, attributes: attributes ?? undefined }
}

/** The context of a question. Old SDKs put it into the resource; beside it, it counts more. */
export function contextOf ({ context: older }: Static<typeof WireResource>, context: Static<typeof Context> | undefined): EngineQuery['context'] {
  if (older === null || older === undefined) return context ?? undefined
  return { ...older, ...context }
}
