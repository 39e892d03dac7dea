// The format of the PDP's requests and answers, as strict and as tolerant as the container, and how requests become queries.
import Type, { type Static, type TSchema } from 'typebox'
import { NO_TENANT, type EngineQuery } from '../../engine/engine-query.js'

/** The most questions in one request. */
export const MAX_BULK = 10_000

/** Clients in other languages send `null` for missing values. */
const optional = <T extends TSchema>(schema: T) => Type.Optional(Type.Union([schema, Type.Null()]))

/** A key. Questions may have an empty key, which matches nothing. */
export const Key = Type.String({ minLength: 1 })
/** Attributes, or a context: an object. Its members are not validated, because there may be many. */
export const Attributes = Type.Unsafe<Record<string, unknown>>(Type.Object({}))

const text = Type.String()
const maybeText = optional(text)

// Permit's PDP has two halves. The half that decides refuses `null` for an object; the other half treats it as missing.
const object = Type.Optional(Attributes)
const nullableObject = optional(Attributes)

const NAMES = { email: maybeText, first_name: maybeText, last_name: maybeText }

/** The user of a question. */
export const WireUser = Type.Object({
  key: text,
  ...NAMES,
  // The Node SDK also sends these spellings. The half that decides ignores them.
  firstName: Type.Optional(Type.Unknown()),
  lastName: Type.Optional(Type.Unknown()),
  attributes: object
}, { description: 'The user.' })

/** The resource of a question. */
const WireResource = Type.Object({ type: text, key: maybeText, tenant: maybeText, attributes: object, context: object }, {
  description: 'The resource. Without a tenant, no role in a tenant counts; SDKs send `default`.'
})

/** The question of `/allowed`. */
export const AllowedQuery = Type.Object({ user: WireUser, action: text, resource: WireResource, context: object, sdk: maybeText }, {
  description: 'Whether the user may do the action on the resource.'
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

const LooseUser = Type.Object({
  key: text,
  ...NAMES,
  firstName: maybeText,
  lastName: maybeText,
  attributes: nullableObject
}, { description: 'The user.' })
const LooseResource = Type.Object({ type: text, key: maybeText, tenant: maybeText, attributes: nullableObject, context: nullableObject })

/** The question of `/allowed/all-tenants`. */
export const AllTenantsQuery = Type.Object({
  user: LooseUser,
  action: text,
  resource: LooseResource,
  context: nullableObject,
  sdk: maybeText
})

/** The question of `/user-tenants`. */
export const UserTenantsQuery = Type.Object({ user: LooseUser, context: nullableObject })

// The parts of the pattern of a web URL: `http://` or `https://`, user info, a host, a port up to 65535, and the rest.
const SCHEME = '[Hh][Tt][Tt][Pp][Ss]?://'
const USER_INFO = '(?:[^\\s/?#@]*@)?'
const IP_V6 = '\\[[0-9A-Fa-f:.]+\\]'
const HOST_NAME = '[^\\s/?#@:\\[\\]\\-_](?:[^\\s/?#@:\\[\\]]*[^\\s/?#@:\\[\\]\\-_])?'
const PORT = '[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]'

/** A web URL with a host. */
const WebUrl = Type.String({
  maxLength: 65_536,
  pattern: `^${SCHEME}${USER_INFO}(?:${IP_V6}|${HOST_NAME})(?::(?:${PORT}))?(?:[/?#]\\S*)?$`
})

/** The question of `/allowed_url`. */
export const UrlQuery = Type.Object({
  user: LooseUser,
  http_method: text,
  url: WebUrl,
  tenant: text,
  context: nullableObject,
  sdk: maybeText
})

const Reason = Type.Object({ allow: Type.Boolean(), code: Type.String(), reason: Type.String() }, {
  description: 'The result of one authorization model, with its reason.'
})
const DebugParts = Type.Partial(Type.Object({ rbac: Reason, abac: Reason, rebac: Reason }))

/** The answer of `/allowed`. */
export const Allowed = Type.Object({
  allow: Type.Boolean(),
  result: Type.Boolean({ description: 'Same as `allow`, for old SDKs.' }),
  debug: Type.Optional(DebugParts)
})

const Tenant = Type.Object({ key: Type.String(), attributes: Attributes })

/** The answer of `/allowed/all-tenants`. */
export const AllTenants = Type.Object({
  allowed_tenants: Type.Array(Type.Object({
    allow: Type.Boolean(),
    result: Type.Boolean({ description: 'Always false, even if `allow` is true, as in the container.' }),
    debug: Type.Optional(DebugParts),
    tenant: Tenant
  }))
})

const TenantOfPermissions = Type.Object({ key: Type.String(), attributes: Type.Optional(Attributes) }, {
  description: 'Without attributes, this member is missing.'
})

/** The answer of `/user-permissions`. */
export const UserPermissions = Type.Record(Type.String(), Type.Object({
  tenant: Type.Optional(TenantOfPermissions),
  resource: Type.Optional(Type.Object({ key: Type.String(), type: Type.String(), attributes: Attributes })),
  permissions: Type.Array(Type.String()),
  roles: Type.Optional(Type.Array(Type.String()))
}), { description: 'The keys are `__tenant:<key>` and `<type>:<key>`.' })

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

interface Question { user: AnyUser, action: string, resource: AnyResource, context?: AnyContext }

/** Converts the question to a query of the engine. */
export function toEngineQuery ({ user, action, resource, context }: Question): EngineQuery {
  return { user: toEngineUser(user), action, resource: toEngineResource(resource), context: contextOf(resource, context) }
}

/** Converts the user: without `null`, and with one spelling of each name. */
export function toEngineUser (user: AnyUser): EngineQuery['user'] {
  const { key, email, first_name: first, last_name: last, firstName, lastName, attributes } = user
  return {
    key,
    email: email ?? undefined,
    first_name: first ?? textOf(firstName),
    last_name: last ?? textOf(lastName),
    attributes: attributes ?? undefined
  }
}

/** Converts the resource. An empty key counts as missing, because clients send it to ask about a type. */
export function toEngineResource ({ type, key, tenant, attributes }: AnyResource): EngineQuery['resource'] {
  return { type, key: key === null || key === '' ? undefined : key, tenant: tenant ?? NO_TENANT, attributes: attributes ?? undefined }
}

/** The context of a question. Old SDKs send it inside the resource; a context outside of it takes precedence. */
export function contextOf ({ context: older }: AnyResource, context: AnyContext): EngineQuery['context'] {
  if (older === null || older === undefined) return context ?? undefined
  return { ...older, ...context }
}

function textOf (value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
