// The PDP's wire: what questions look like, as strict and as tolerant as the container, and what the engine is asked for them.
import Type, { type Static, type TSchema } from 'typebox'
import { NO_TENANT, type EngineQuery } from '../../engine/engine-query.js'

/** Questions at once. */
export const MAX_BULK = 10_000

/** Clients of other languages write `null` for what they do not have. */
const optional = <T extends TSchema>(schema: T) => Type.Optional(Type.Union([schema, Type.Null()]))

/** A key that names something. Questions may have an empty one, which nothing is named by. */
export const Key = Type.String({ minLength: 1 })
/** Attributes, and contexts: an object. Its members are not looked at, of which there may be many. */
export const Attributes = Type.Unsafe<Record<string, unknown>>(Type.Object({}))

const text = Type.String()
const maybeText = optional(text)

// Permit's PDP is of two halves. The one that decides takes no `null` for an object, the other takes it as none.
const object = Type.Optional(Attributes)
const nullableObject = optional(Attributes)

const NAMES = { email: maybeText, first_name: maybeText, last_name: maybeText }

/** A user, as in a question. */
export const WireUser = Type.Object({
  key: text,
  ...NAMES,
  // The Node SDK sends these spellings, too. The half that decides does not look at them.
  firstName: Type.Optional(Type.Unknown()),
  lastName: Type.Optional(Type.Unknown()),
  attributes: object
}, { description: 'Who asks.' })

/** A resource, as in a question. */
export const WireResource = Type.Object({ type: text, key: maybeText, tenant: maybeText, attributes: object, context: object }, {
  description: 'What it is about. Without a tenant no role in a tenant counts: SDKs fill in `default`.'
})

/** The question of `/allowed`. */
export const AllowedQuery = Type.Object({ user: WireUser, action: text, resource: WireResource, context: object, sdk: maybeText }, {
  description: 'May this user do this action on this resource?'
})

/** The question of `/user-permissions`. */
export const UserPermissionsQuery = Type.Object({
  user: WireUser,
  tenants: optional(Type.Array(Type.String())),
  resources: optional(Type.Array(Type.String())),
  resource_types: optional(Type.Array(Type.String())),
  context: nullableObject
})

/** The question of `/authorized_users`. */
export const AuthorizedUsersQuery = Type.Object({ action: text, resource: WireResource, context: object, sdk: maybeText })

const LooseUser = Type.Object({ key: text, ...NAMES, firstName: maybeText, lastName: maybeText, attributes: nullableObject }, { description: 'Who asks.' })
const LooseResource = Type.Object({ type: text, key: maybeText, tenant: maybeText, attributes: nullableObject, context: nullableObject })

/** The question of `/allowed/all-tenants`. */
export const AllTenantsQuery = Type.Object({ user: LooseUser, action: text, resource: LooseResource, context: nullableObject, sdk: maybeText })

/** The question of `/user-tenants`. */
export const UserTenantsQuery = Type.Object({ user: LooseUser, context: nullableObject })

/** A URL of the web, with a host. */
const WebUrl = Type.String({
  maxLength: 65_536,
  pattern: '^[Hh][Tt][Tt][Pp][Ss]?://(?:[^\\s/?#@]*@)?(?:\\[[0-9A-Fa-f:.]+\\]|[^\\s/?#@:\\[\\]\\-_](?:[^\\s/?#@:\\[\\]]*[^\\s/?#@:\\[\\]\\-_])?)(?::(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?(?:[/?#]\\S*)?$'
})

/** The question of `/allowed_url`. */
export const UrlQuery = Type.Object({ user: LooseUser, http_method: text, url: WebUrl, tenant: text, context: nullableObject, sdk: maybeText })

const Reason = Type.Object({ allow: Type.Boolean(), code: Type.String(), reason: Type.String() }, { description: 'What a model says, and why.' })
const DebugParts = Type.Partial(Type.Object({ rbac: Reason, abac: Reason, rebac: Reason }))

/** The answer of `/allowed`. */
export const Allowed = Type.Object({
  allow: Type.Boolean(),
  result: Type.Boolean({ description: 'As `allow`, for old SDKs.' }),
  debug: Type.Optional(DebugParts)
})

const Tenant = Type.Object({ key: Type.String(), attributes: Attributes })

/** The answer of `/allowed/all-tenants`. */
export const AllTenants = Type.Object({
  allowed_tenants: Type.Array(Type.Object({
    allow: Type.Boolean(),
    result: Type.Boolean({ description: 'False, also where `allow` is true: the container answers so, and what reads it gets a no.' }),
    debug: Type.Optional(DebugParts),
    tenant: Tenant
  }))
})

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

type AnyUser = Static<typeof WireUser> | Static<typeof LooseUser>
type AnyResource = Static<typeof WireResource> | Static<typeof LooseResource>
type AnyContext = Static<typeof nullableObject> | undefined

/** The question as the engine takes it. */
export function toEngineQuery ({ user, action, resource, context }: { user: AnyUser, action: string, resource: AnyResource, context?: AnyContext }): EngineQuery {
  return { user: toEngineUser(user), action, resource: toEngineResource(resource), context: contextOf(resource, context) }
}

/** The user as the engine takes it: without what is `null`, and under one spelling. */
export function toEngineUser ({ key, email, first_name: first, last_name: last, firstName, lastName, attributes }: AnyUser): EngineQuery['user'] {
  return {
    key,
    email: email ?? undefined,
    first_name: first ?? textOf(firstName),
    last_name: last ?? textOf(lastName),
    attributes: attributes ?? undefined
  }
}

/** The resource as the engine takes it. An empty key is no key: a client writes it who asks about a type. */
export function toEngineResource ({ type, key, tenant, attributes }: AnyResource): EngineQuery['resource'] {
  return { type, key: key === null || key === '' ? undefined : key, tenant: tenant ?? NO_TENANT, attributes: attributes ?? undefined }
}

/** The context of a question. Old SDKs put it into the resource; beside it, it counts more. */
export function contextOf ({ context: older }: AnyResource, context: AnyContext): EngineQuery['context'] {
  if (older === null || older === undefined) return context ?? undefined
  return { ...older, ...context }
}

function textOf (value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
