// The schemas of the schema's parts in the REST API, for requests and for answers.
import Type from 'typebox'
import { CommonFields } from '../common-fields.js'
import { Attributes, Key } from '../../decisions/wire.js'

const strict = { additionalProperties: false } as const
const text = Type.Optional(Type.String())

const ActionFields = { name: text, description: text, attributes: Type.Optional(Attributes) }
const AttributeType = Type.Enum(['bool', 'number', 'string', 'time', 'array', 'json', 'object', 'object_array'])
const AttributeFields = { type: AttributeType, description: text }

const Settings = Type.Object({ no_direct_roles_on_object: Type.Optional(Type.Boolean()) }, strict)

const DerivationKey = { role: Key, on_resource: Key, linked_by_relation: Key }

export const DerivationCreate = Type.Object({ ...DerivationKey, when: Type.Optional(Settings) }, strict)
export const DerivationDelete = Type.Object(DerivationKey, strict)
export const DerivationRead = Type.Object({
  ...DerivationKey,
  role_id: Type.String(),
  resource_id: Type.String(),
  relation_id: Type.String(),
  when: Type.Optional(Settings)
})
export const DerivationSettings = Settings

const GrantedTo = Type.Object({ users_with_role: Type.Optional(Type.Array(DerivationCreate)), when: Type.Optional(Settings) }, strict)

const RoleFields = {
  description: text,
  permissions: Type.Optional(Type.Array(Type.String())),
  extends: Type.Optional(Type.Array(Key)),
  attributes: Type.Optional(Attributes)
}
const ResourceRoleFields = { ...RoleFields, granted_to: Type.Optional(GrantedTo) }

export const RoleCreate = Type.Object({ key: Key, name: Type.String(), ...RoleFields }, strict)
export const RoleUpdate = Type.Object({ name: text, ...RoleFields }, strict)
export const RoleRead = Type.Object({
  key: Key, name: Type.String(), ...RoleFields, ...CommonFields
})

export const ResourceRoleCreate = Type.Object({ key: Key, name: Type.String(), ...ResourceRoleFields }, strict)
export const ResourceRoleUpdate = Type.Object({ name: text, ...ResourceRoleFields }, strict)
export const ResourceRoleRead = Type.Object({
  key: Key,
  name: Type.String(),
  ...RoleFields,
  granted_to: Type.Object({ id: Type.String(), users_with_role: Type.Array(DerivationRead), when: Type.Optional(Settings) }),
  resource_id: Type.String(),
  resource: Type.String(),
  ...CommonFields
})

export const RolePermissions = Type.Object({ permissions: Type.Array(Key) }, strict)

const blocks = {
  actions: Type.Record(Type.String(), Type.Object(ActionFields, strict)),
  attributes: Type.Optional(Type.Record(Type.String(), Type.Object(AttributeFields, strict))),
  roles: Type.Optional(Type.Record(Type.String(), Type.Object({ name: text, ...ResourceRoleFields }, strict))),
  relations: Type.Optional(Type.Record(Type.String(), Key, { description: 'Maps each relation to the resource type of its subjects.' }))
}

export const ResourceReplace = Type.Object({ name: Type.String(), urn: text, description: text, ...blocks }, strict)
export const ResourceCreate = Type.Object({ key: Key, ...ResourceReplace.properties }, strict)
export const ResourceUpdate = Type.Partial(ResourceReplace, strict)
export const ResourceRead = Type.Object({
  key: Key,
  name: Type.String(),
  urn: text,
  description: text,
  actions: Type.Record(Type.String(), Type.Object({ ...ActionFields, id: Type.String(), key: Type.String() })),
  attributes: Type.Record(Type.String(), Type.Object({ ...AttributeFields, id: Type.String(), key: Type.String() })),
  roles: Type.Record(Type.String(), Type.Object({ ...RoleFields, id: Type.String(), key: Type.String(), name: Type.String() })),
  relations: Type.Record(Type.String(), Type.Object({ resource_id: Type.String(), resource: Type.String(), description: text })),
  action_groups: Type.Record(Type.String(), Type.Array(Type.String())),
  ...CommonFields
})

export const ActionCreate = Type.Object({ key: Key, ...ActionFields, name: Type.String() }, strict)
export const ActionUpdate = Type.Object(ActionFields, strict)
export const ActionRead = Type.Object({
  key: Key,
  ...ActionFields,
  name: Type.String(),
  permission_name: Type.String(),
  resource_id: Type.String(),
  ...CommonFields
})

export const AttributeCreate = Type.Object({ key: Key, ...AttributeFields }, strict)
export const AttributeUpdate = Type.Partial(Type.Object(AttributeFields), strict)
export const AttributeRead = Type.Object({
  key: Key,
  ...AttributeFields,
  resource_id: Type.String(),
  resource_key: Type.String(),
  built_in: Type.Boolean(),
  ...CommonFields
})

const ActionGroupFields = { description: text, attributes: Type.Optional(Attributes), actions: Type.Optional(Type.Array(Key)) }
export const ActionGroupCreate = Type.Object({ key: Key, name: Type.String(), ...ActionGroupFields }, strict)
export const ActionGroupUpdate = Type.Object({ name: text, ...ActionGroupFields }, strict)
export const ActionGroupRead = Type.Object({
  key: Key,
  name: Type.String(),
  ...ActionGroupFields,
  actions: Type.Array(Type.String()),
  resource_id: Type.String(),
  ...CommonFields
})

export const RelationCreate = Type.Object({ key: Key, name: Type.String(), description: text, subject_resource: Key }, strict)
export const RelationRead = Type.Object({
  key: Key,
  name: Type.String(),
  description: text,
  subject_resource: Type.String(),
  subject_resource_id: Type.String(),
  object_resource: Type.String(),
  object_resource_id: Type.String(),
  ...CommonFields
})

export const ConditionSetType = Type.Enum(['userset', 'resourceset'])
// Policies have no nested sets. A parent is refused rather than ignored.
const ParentId = Type.Optional(Type.Union([Key, Type.Null()]))
const ConditionSetFields = { description: text, conditions: Type.Optional(Attributes) }

export const ConditionSetCreate = Type.Object({
  key: Key,
  name: Type.String(),
  type: Type.Optional(ConditionSetType),
  resource_id: Type.Optional(Type.Union([Key, Type.Null()])),
  autogenerated: Type.Optional(Type.Boolean()),
  parent_id: ParentId,
  ...ConditionSetFields
}, strict)
export const ConditionSetUpdate = Type.Object({ name: text, parent_id: ParentId, ...ConditionSetFields }, strict)
export const ConditionSetRead = Type.Object({
  key: Key,
  name: Type.String(),
  type: ConditionSetType,
  autogenerated: Type.Boolean(),
  resource_id: Type.Optional(Type.String()),
  resource: Type.Optional(ResourceRead),
  ...ConditionSetFields,
  ...CommonFields
})

const Rule = { user_set: Key, permission: Key, resource_set: Key }
export const SetRule = Type.Object({ ...Rule, is_role: Type.Optional(Type.Boolean()), is_resource: Type.Optional(Type.Boolean()) }, strict)
export const SetRuleRead = Type.Object({ key: Type.String(), ...Rule, ...CommonFields })
