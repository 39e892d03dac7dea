// The schemas of facts in the REST API, for requests and for answers.
import Type, { type TSchema } from 'typebox'
import { CommonFields } from '../common-fields.js'
import { Attributes, Key } from '../../decisions/wire.js'

/** The most items of a bulk operation, which is applied as a whole or not at all. */
export const MAX_ITEMS = 1_000

/** The most roles that a new user can get. */
const MAX_ROLES = 100

const strict = { additionalProperties: false } as const

/** A property that may be missing or `null`. */
const nullable = <T extends TSchema>(schema: T) => Type.Optional(Type.Union([schema, Type.Null()]))

const text = nullable(Type.String())
const attributes = nullable(Attributes)

/** A resource instance, `type:key`. */
const Instance = Type.String({ pattern: '^[^:]+:.', description: '`<resource>:<key>`' })

const UserFields = { email: text, first_name: text, last_name: text, attributes }

export const UserRole = Type.Object({ role: Key, tenant: nullable(Key), resource_instance: nullable(Key) }, strict)
export const UserUpdate = Type.Object(UserFields, strict)
const InitialRoles = Type.Array(UserRole, {
  maxItems: MAX_ROLES,
  description: 'Roles for a new user. They are ignored for an existing user.'
})
export const UserCreate = Type.Object({
  key: Key,
  ...UserFields,
  role_assignments: nullable(InitialRoles)
}, strict)
/** For the user in the path. The key in the body is optional. */
export const UserSync = Type.Object({ ...UserCreate.properties, key: Type.Optional(Key) }, strict)
export const UserRead = Type.Object({
  key: Key,
  email: Type.Optional(Type.String()),
  first_name: Type.Optional(Type.String()),
  last_name: Type.Optional(Type.String()),
  attributes: Attributes,
  roles: Type.Array(Type.Object({ role: Type.String(), tenant: Type.String() })),
  associated_tenants: Type.Array(Type.Object({
    tenant: Type.String(),
    roles: Type.Array(Type.String()),
    status: Type.Literal('active'),
    resource_instance_roles: Type.Optional(Type.Array(
      Type.Object({ resource: Type.String(), resource_instance: Type.String(), role: Type.String() })
    ))
  })),
  ...CommonFields
})

const TenantFields = { description: text, attributes }
export const TenantCreate = Type.Object({ key: Key, name: Type.String(), ...TenantFields }, strict)
export const TenantUpdate = Type.Object({ name: Type.Optional(Type.String()), ...TenantFields }, strict)
export const TenantRead = Type.Object({
  key: Key,
  name: Type.String(),
  description: Type.Optional(Type.String()),
  attributes: Type.Union([Attributes, Type.Null()]),
  last_action_at: Type.String(),
  ...CommonFields
})

export const InstanceCreate = Type.Object({ key: Key, resource: Key, tenant: nullable(Key), attributes }, strict)
export const InstanceUpdate = Type.Object({ attributes }, strict)
export const InstanceRead = Type.Object({
  key: Key,
  resource: Type.String(),
  tenant: Type.String(),
  attributes: Attributes,
  resource_id: Type.String(),
  tenant_id: Type.String(),
  ...CommonFields
})

export const Assignment = Type.Object({ user: Key, role: Key, tenant: nullable(Key), resource_instance: nullable(Key) }, strict)
export const Assignments = Type.Array(Assignment, { maxItems: MAX_ITEMS })
/** Beside what Permit's API has: when the assignment ends. */
export const NewAssignment = Type.Object({
  ...Assignment.properties,
  expires_at: Type.Optional(Type.String({ description: 'When the role ends, RFC 3339 with a zone. Default: never.' }))
}, strict)
export const NewAssignments = Type.Array(NewAssignment, { maxItems: MAX_ITEMS })
export const AssignmentRead = Type.Object({
  user: Type.String(),
  role: Type.String(),
  tenant: Type.String(),
  resource_instance: Type.Optional(Type.String()),
  expires_at: Type.Optional(Type.String()),
  user_id: Type.String(),
  role_id: Type.String(),
  tenant_id: Type.String(),
  resource_instance_id: Type.Optional(Type.String()),
  ...CommonFields
})
const Named = { id: Type.String(), key: Type.String() }
export const AssignmentDetailedRead = Type.Object({
  user: Type.Object({
    ...Named,
    email: Type.Optional(Type.String()),
    first_name: Type.Optional(Type.String()),
    last_name: Type.Optional(Type.String()),
    attributes: Attributes
  }),
  role: Type.Object({ ...Named, name: Type.String(), permissions: Type.Array(Type.String()) }),
  tenant: Type.Object({ ...Named, name: Type.String(), attributes: Attributes }),
  resource_instance: Type.Optional(Type.Object({ ...Named, resource: Type.String(), attributes: Attributes })),
  ...CommonFields
})

/** The most relationships that are listed with one instance. */
export const MAX_RELATIONSHIPS = 1_000

export const InstanceDetailedRead = Type.Object({
  ...InstanceRead.properties,
  relationships: Type.Array(Type.Object({ subject: Type.String(), relation: Type.String(), object: Type.String() }), {
    description: `At most ${MAX_RELATIONSHIPS}: \`/relationship_tuples\` lists all.`
  })
})

const TupleFields = { subject: Instance, relation: Key, object: Instance, tenant: nullable(Key) }
export const TupleCreate = Type.Object(TupleFields, strict)
export const TupleDelete = Type.Object(TupleFields, strict)
export const TupleRead = Type.Object({
  subject: Type.String(),
  relation: Type.String(),
  object: Type.String(),
  tenant: Type.String(),
  subject_id: Type.String(),
  relation_id: Type.String(),
  object_id: Type.String(),
  tenant_id: Type.String(),
  ...CommonFields
})

const InstanceBlock = Type.Object({ key: Key, tenant: Type.String(), resource: Type.String(), attributes: Attributes })

export const TupleDetailedRead = Type.Object({
  ...TupleRead.properties,
  subject_details: InstanceBlock,
  relation_details: Type.Object({ key: Key, name: Type.String(), description: Type.Optional(Type.String()) }),
  object_details: InstanceBlock,
  tenant_details: Type.Object({ key: Key, name: Type.String(), description: Type.Optional(Type.String()), attributes: Attributes })
})

/** The body of a bulk write. */
export const Operations = <T extends TSchema>(item: T) => Type.Object({ operations: Type.Array(item, { maxItems: MAX_ITEMS }) }, strict)
/** The body of a bulk deletion. */
export const Idents = <T extends TSchema>(item: T) => Type.Object({ idents: Type.Array(item, { maxItems: MAX_ITEMS }) }, strict)
/** The answer of bulk operations. */
export const Empty = Type.Object({})
