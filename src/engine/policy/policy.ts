// The content of a policy document: one TypeBox schema, which is the source of the types, the checks and the JSON Schema for editors.

import Type, { type Static, type TSchema } from 'typebox'
import { checkerOf } from '../../kit/checker.js'

/** Keys of schema objects, as Permit accepts them. A colon would make `type:key` and `type:action` ambiguous. */
const KEY_PATTERN = '^[A-Za-z0-9_-]+$'

const strict = { additionalProperties: false } as const

/** A block whose properties are all optional may be left empty in YAML, where `read:` says `null`. */
const block = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])

const keyed = <T extends TSchema>(schema: T, description: string) =>
  Type.Record(Type.String({ pattern: KEY_PATTERN }), schema, { ...strict, description })

const anyKeyed = <T extends TSchema>(schema: T, description: string) =>
  Type.Record(Type.String({ pattern: '^.' }), schema, { ...strict, description })

const text = (description: string) => Type.String({ minLength: 1, description })
const name = Type.Optional(Type.String({ description: 'A name for people; it does not affect decisions.' }))
const description = Type.Optional(Type.String({ description: 'A description for people; it does not affect decisions.' }))
const values = (description: string) => Type.Optional(Type.Record(Type.String(), Type.Unknown(), { description }))

const Action = Type.Object({
  name,
  description,
  attributes: values('Attributes of the action itself; they do not affect decisions.')
}, { ...strict, description: 'An action on resources of this type.' })

const Attribute = Type.Object({
  type: Type.Enum(['bool', 'number', 'string', 'time', 'array', 'json', 'object', 'object_array'], {
    description: 'The type of the values.'
  }),
  description
}, { ...strict, description: 'An attribute that resources of this type may have.' })

const ActionGroup = Type.Object({
  name,
  description,
  attributes: values('Attributes of the group; they do not affect decisions.'),
  actions: Type.Optional(Type.Array(text('An action of this resource type.'), { description: 'The actions in the group.' }))
}, { ...strict, description: 'A group of actions, for people; it does not affect decisions.' })

const DerivationSettings = Type.Object({
  no_direct_roles_on_object: Type.Optional(Type.Boolean({
    description: 'Excludes users who have any role on the object itself.'
  }))
}, { ...strict, description: 'When the derivation applies.' })

const Derivation = Type.Object({
  role: text('Role on the subject that gives this role on the object.'),
  on_resource: text('Resource type of the subject.'),
  linked_by_relation: text('Relation by which the subject is linked to the object.'),
  when: Type.Optional(DerivationSettings)
}, { ...strict, description: 'A user with `role` on a subject that the relation links has this role on the object.' })

const GrantedTo = Type.Object({
  users_with_role: Type.Optional(Type.Array(Derivation, { description: 'The derivations. Each of them alone is enough.' })),
  when: Type.Optional(DerivationSettings)
}, { ...strict, description: 'Role derivations: the users who have this role without an assignment.' })

const ResourceRole = Type.Object({
  name,
  description,
  permissions: Type.Optional(Type.Array(text('An action of this resource type: `read`, or `document:read`. `*` stands for all of them.'), {
    description: 'Actions that the role allows on its instance.'
  })),
  extends: Type.Optional(Type.Array(text('Another role of this resource type.'), {
    description: 'Parent roles: this role also has their permissions.'
  })),
  attributes: values('Attributes of the role; they do not affect decisions.'),
  granted_to: Type.Optional(GrantedTo)
}, { ...strict, description: 'A role on single instances of this resource type.' })

const Relation = Type.Union([
  text('Resource type of the subject.'),
  Type.Object({ name, description, subject_resource: text('Resource type of the subject.') }, strict)
], { description: 'A relation whose object is a resource of this type. The value is the type of the subject.' })

const Resource = Type.Object({
  name,
  description,
  urn: Type.Optional(Type.String({ description: 'Uniform resource name; it does not affect decisions.' })),
  actions: keyed(block(Action), 'Actions on resources of this type, by action key.'),
  attributes: Type.Optional(anyKeyed(block(Attribute), 'Attributes of resources of this type, by attribute key.')),
  action_groups: Type.Optional(keyed(block(ActionGroup), 'Groups of actions, by group key; they do not affect decisions.')),
  roles: Type.Optional(keyed(block(ResourceRole), 'Roles on single instances of this type, by role key (ReBAC).')),
  relations: Type.Optional(keyed(Relation, 'Relations that link other resources to one of this type, by relation key (ReBAC).'))
}, { ...strict, description: 'A resource type.' })

const Role = Type.Object({
  name,
  description,
  permissions: Type.Optional(Type.Array(text(
    'A permission: `<resource type>:<action>`. `<resource type>:*` stands for all actions of the type, `*` for those of all types.'
  ), {
    description: 'The permissions that the role grants in its tenant.'
  })),
  extends: Type.Optional(Type.Array(text('Another role.'), { description: 'Parent roles: this role also has their permissions.' })),
  attributes: values('Attributes of the role; they do not affect decisions.')
}, { ...strict, description: 'A role that users have in tenants (RBAC).' })

const Conditions = Type.Record(Type.String(), Type.Unknown(), {
  description: 'A condition: `allOf`, `anyOf` or `not` of tests such as `{ "user.location": { "equals": "US" } }`. ' +
    '`{ "allOf": [] }` matches everything.'
})

const UserSet = Type.Object({ name, description, conditions: Conditions }, {
  ...strict,
  description: 'The users who meet a condition (ABAC).'
})

const ResourceSet = Type.Object({
  name,
  description,
  resource: text('The resource type of the resources.'),
  conditions: Conditions
}, { ...strict, description: 'The resources of a type that meet a condition (ABAC).' })

const SetRule = Type.Object({
  user_set: text('A user set, or a role, which counts as a user set.'),
  permission: text('A permission: `<resource type>:<action>`.'),
  resource_set: text('A resource set, or a resource type, which counts as a resource set.'),
  is_role: Type.Optional(Type.Boolean({ description: 'True if `user_set` is a role. Only needed if a user set has the same key.' })),
  is_resource: Type.Optional(Type.Boolean({
    description: 'True if `resource_set` is a resource type. Only needed if a resource set has the same key.'
  }))
}, { ...strict, description: 'Users in the user set have the permission on resources in the resource set.' })

const MappingRule = Type.Object({
  url: text('The whole URL: `https://api.acme.com/tasks/{id}`. A `{name}` stands for a segment of the path, or for a value of the query, ' +
    'and becomes an attribute of the resource. With `url_type: regex`, an expression in RE2\'s syntax that matches from the start.'),
  http_method: text('The method: get, post, put, patch, delete, head or options.'),
  resource: text('The resource type.'),
  action: Type.Optional(text('The action. Default: the method, in lower case.')),
  headers: Type.Optional(Type.Record(Type.String(), Type.String(), { description: 'Must be empty: a PDP sees no headers.' })),
  priority: Type.Optional(Type.Number({
    description: 'Of several rules that match, the one with the highest priority counts; of equal ones, the first. Default: 0.'
  })),
  url_type: Type.Optional(Type.Enum(['default', 'regex'], {
    description: 'Whether `url` is a template (`default`) or an expression (`regex`).'
  }))
}, { ...strict, description: 'Requests with this method and URL require this permission.' })

const ProxyConfig = Type.Object({
  name,
  description,
  mapping_rules: Type.Optional(Type.Array(MappingRule, { description: 'The URL mapping rules.' }))
}, { ...strict, description: 'URL mapping rules that belong together, such as those of one service.' })

const Tenant = Type.Object({
  name,
  description,
  attributes: values('Attributes of the tenant, `tenant.*` in conditions, for users who are members of it.')
}, { ...strict, description: 'A tenant. The tenant `default` always exists.' })

const User = Type.Object({
  email: Type.Optional(Type.String({ description: 'The user\'s e-mail address, `user.email` in conditions.' })),
  first_name: Type.Optional(Type.String({ description: 'The user\'s first name, `user.first_name` in conditions.' })),
  last_name: Type.Optional(Type.String({ description: 'The user\'s last name, `user.last_name` in conditions.' })),
  attributes: values('Attributes of the user, `user.*` in conditions.')
}, { ...strict, description: 'A user.' })

const RoleAssignment = Type.Object({
  user: text('The key of the user.'),
  role: text('The key of the role: a top-level role in a tenant, or a role of the resource type on an instance.'),
  tenant: Type.Optional(text('The tenant in which the user has the role. Default: `default`.')),
  resource_instance: Type.Optional(text('The instance on which the user has the role: `<resource type>:<key>`.')),
  expires_at: Type.Optional(text('When the role ends, RFC 3339 with a zone: `2027-01-31T18:00:00Z`. Default: never.'))
}, { ...strict, description: 'A role of a user, in a tenant or on a resource instance.' })

const ResourceInstance = Type.Object({
  resource: text('The resource type.'),
  key: text('The key, unique within the resource type.'),
  tenant: Type.Optional(text('The tenant of the instance. Default: `default`.')),
  attributes: values('Attributes of the instance, `resource.*` in conditions.')
}, { ...strict, description: 'A resource instance.' })

const RelationshipTuple = Type.Object({
  subject: text('The subject, an instance: `<resource type>:<key>`.'),
  relation: text('A relation of the object\'s resource type.'),
  object: text('The object, an instance: `<resource type>:<key>`.'),
  tenant: Type.Optional(text('The tenant of both instances. Default: their tenant, or `default` if neither is listed.'))
}, { ...strict, description: 'Subject is `relation` of object: `folder:rnd` is `parent` of `document:spec`.' })

/** The schema of a policy document: what Permit's REST API writes, under its names. */
export const PolicySchema = Type.Object({
  resources: Type.Optional(keyed(Resource, 'Resource types, by key.')),
  user_attributes: Type.Optional(anyKeyed(block(Attribute), 'Attributes of users, by key: those of Permit\'s resource `__user`.')),
  tenant_attributes: Type.Optional(anyKeyed(block(Attribute), 'Attributes of tenants, by key: those of Permit\'s resource `__tenant`.')),
  roles: Type.Optional(keyed(block(Role), 'Tenant roles, by key.')),
  user_sets: Type.Optional(keyed(UserSet, 'User sets, by key.')),
  resource_sets: Type.Optional(keyed(ResourceSet, 'Resource sets, by key.')),
  set_rules: Type.Optional(Type.Array(SetRule, { description: 'Rules: which user set has which permission on which resource set.' })),
  proxy_configs: Type.Optional(keyed(block(ProxyConfig), 'URL mapping rules, by the key of their proxy configuration.')),
  tenants: Type.Optional(anyKeyed(block(Tenant), 'Tenants, by key.')),
  users: Type.Optional(anyKeyed(block(User), 'Users, by key.')),
  role_assignments: Type.Optional(Type.Array(RoleAssignment, { description: 'The roles of users.' })),
  resource_instances: Type.Optional(Type.Array(ResourceInstance, {
    description: 'Resource instances. Instances that are only used in assignments or tuples need not be listed.'
  })),
  relationship_tuples: Type.Optional(Type.Array(RelationshipTuple, { description: 'Links between instances.' })),
  permit: Type.Optional(Type.Record(Type.String(), Type.Unknown(), {
    description: 'What `fastify-permit pull` found in Permit\'s environment and no other section can say. It does not affect decisions.'
  }))
}, { ...strict, description: 'A policy of fastify-permit: schema and facts, under the names of Permit\'s REST API.' })

/** A policy document. */
export type Policy = Static<typeof PolicySchema>

/** Whether a document has the shape of the schema. */
export const policyChecker = checkerOf(PolicySchema)

/** A resource type of a policy document. */
export type PolicyResource = Static<typeof Resource>
/** A role on instances of a resource type. */
export type PolicyResourceRole = Static<typeof ResourceRole>
/** A role in tenants. */
export type PolicyRole = Static<typeof Role>
/** The declaration of an attribute. */
export type PolicyAttribute = Static<typeof Attribute>
/** A rule that joins a user set, a permission and a resource set. */
export type PolicySetRule = Static<typeof SetRule>
/** URL mapping rules that belong together, as they are written. */
export type PolicyProxyConfig = Static<typeof ProxyConfig>
/** A rule from a URL to a permission. */
export type PolicyMappingRule = Static<typeof MappingRule>
/** A condition as it is written. */
export type PolicyConditions = Static<typeof Conditions>
