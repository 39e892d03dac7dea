// Converts the schema to the format of the REST API, and finds its parts by key or id.
import type { Static } from 'typebox'
import { invalid, notFound } from '../../http/failures.js'
import { stamp } from '../stamps.js'
import {
  BUILT_IN_KEYS, builtIn, builtInAttributeStamp, builtInKey, builtInStamp, declaredAttributes, isBuiltIn, type BuiltInKey
} from './built-in.js'
import { withoutPrefix } from './removed.js'
import { ruleKey } from '../../../environment/environment-schema.js'
import type { PolicyResource, PolicyResourceRole, PolicyRole, PolicySetRule } from '../../../engine/policy/policy.js'
import type { Environment, SchemaKind } from '../../../environment/environment.js'
import type {
  ActionGroupRead, ActionRead, AttributeRead, ConditionSetRead, DerivationRead, RelationRead, ResourceRead, ResourceRoleRead, RoleRead,
  SetRuleRead
} from './schema-shapes.js'

type Relation = NonNullable<PolicyResource['relations']>[string]
type Derivation = NonNullable<NonNullable<PolicyResourceRole['granted_to']>['users_with_role']>[number]
/** The kinds of parts of a resource. */
export type PartName = keyof typeof PART_KINDS

const PART_KINDS = {
  actions: 'action', attributes: 'attribute', relations: 'relation', roles: 'resource_role', action_groups: 'action_group'
} as const

/** The current schema of an environment. */
export class SchemaView {
  readonly #environment: Environment

  constructor (environment: Environment) {
    this.#environment = environment
  }

  // Keys, given a key or an id. They throw 404 when the part does not exist.

  resourceKey (given: string): string {
    if (builtInKey(given) !== undefined) throw invalid(`resource '${given}' is built in: only its attributes can be changed`)
    return this.#key('resource', given) ?? fail(`resource '${given}'`)
  }

  resourceOrBuiltInKey (given: string): string {
    return builtInKey(given) ?? this.resourceKey(given)
  }

  roleKey (given: string): string {
    return this.#key('role', given) ?? fail(`role '${given}'`)
  }

  conditionSetKey (given: string): string {
    return this.#key('user_set', given) ?? this.#key('resource_set', given) ?? fail(`condition set '${given}'`)
  }

  /** @param resource - the key of an existing resource */
  partKey (resource: string, part: PartName, given: string): string {
    if (part === 'attributes' && isBuiltIn(resource)) {
      const attributes = Object.keys(builtIn(resource).attributes)
      const known = attributes.find(key => key === given || builtInAttributeStamp(resource, key).id === given)
      if (known !== undefined) return known
    }
    const prefix = `${resource}:`
    const found = this.#key(PART_KINDS[part], prefix + given) ?? this.#key(PART_KINDS[part], given)
    // An id may belong to a part of another resource.
    if (found?.startsWith(prefix) === true) return found.slice(prefix.length)
    return fail(`${PART_KINDS[part].replace('_', ' ')} '${given}' of resource '${resource}'`)
  }

  // Parts, in the format of the REST API.

  resource (key: string): Static<typeof ResourceRead> {
    if (isBuiltIn(key)) return this.#builtIn(key)
    const block = this.#resource(key)
    const { name = key, urn, description, actions, attributes = {}, roles = {}, relations = {}, action_groups: groups = {} } = block
    const idOf = (kind: SchemaKind, part: string): string => this.#id(kind, `${key}:${part}`)
    return {
      key,
      name,
      urn,
      description,
      actions: mapped(actions, (action, block) => ({ ...block, key: action, id: idOf('action', action) })),
      attributes: mapped(attributes, (attribute, block) =>
        ({ type: 'string' as const, ...block, key: attribute, id: idOf('attribute', attribute) })),
      roles: mapped(roles, (role, block) => ({ ...roleFields(role, block ?? {}), id: idOf('resource_role', role) })),
      relations: mapped(relations, (_, relation) => {
        const subject = subjectOf(relation)
        return { resource_id: this.#id('resource', subject), resource: subject }
      }),
      action_groups: mapped(groups, (_, group) => group?.actions ?? []),
      ...this.#stamp('resource', key)
    }
  }

  #builtIn (key: BuiltInKey): Static<typeof ResourceRead> {
    const attributes = this.partKeys(key, 'attributes').map(attribute => {
      const { type, description, id } = this.attribute(key, attribute)
      return [attribute, { type, description, key: attribute, id }] as const
    })
    return {
      key,
      name: builtIn(key).name,
      actions: {},
      attributes: Object.fromEntries(attributes),
      roles: {},
      relations: {},
      action_groups: {},
      ...builtInStamp(key)
    }
  }

  actionGroup (resource: string, key: string): Static<typeof ActionGroupRead> {
    const { name = key, description, attributes, actions = [] } = this.#resource(resource).action_groups?.[key] ?? {}
    return {
      key,
      name,
      description,
      attributes,
      actions,
      resource_id: this.#id('resource', resource),
      ...this.#stamp('action_group', `${resource}:${key}`)
    }
  }

  action (resource: string, key: string): Static<typeof ActionRead> {
    return {
      name: key,
      ...this.#resource(resource).actions[key],
      key,
      permission_name: `${resource}:${key}`,
      resource_id: this.#id('resource', resource),
      ...this.#stamp('action', `${resource}:${key}`)
    }
  }

  attribute (resource: string, key: string): Static<typeof AttributeRead> {
    if (isBuiltIn(resource)) return this.#attributeOfBuiltIn(resource, key)
    return {
      type: 'string',
      ...this.#resource(resource).attributes?.[key],
      key,
      resource_id: this.#id('resource', resource),
      resource_key: resource,
      built_in: false,
      ...this.#stamp('attribute', `${resource}:${key}`)
    }
  }

  #attributeOfBuiltIn (resource: BuiltInKey, key: string): Static<typeof AttributeRead> {
    const { id, attributes } = builtIn(resource)
    const shared = { key, resource_id: id, resource_key: resource }
    if (Object.hasOwn(attributes, key)) {
      const stamps = builtInAttributeStamp(resource, key)
      return { ...shared, type: attributes[key]!, description: 'Built-in attribute', built_in: true, ...stamps }
    }
    const declared = declaredAttributes(this.#schema, resource)[key]
    return { type: 'string', ...declared, ...shared, built_in: false, ...this.#stamp('attribute', `${resource}:${key}`) }
  }

  relation (resource: string, key: string): Static<typeof RelationRead> {
    const relation = this.#resource(resource).relations?.[key] ?? fail(`relation '${key}' of resource '${resource}'`)
    const { name = key, description } = typeof relation === 'string' ? {} : relation
    const subject = subjectOf(relation)
    return {
      key,
      name,
      description,
      subject_resource: subject,
      subject_resource_id: this.#id('resource', subject),
      object_resource: resource,
      object_resource_id: this.#id('resource', resource),
      ...this.#stamp('relation', `${resource}:${key}`)
    }
  }

  resourceRole (resource: string, key: string): Static<typeof ResourceRoleRead> {
    const role = this.#resource(resource).roles?.[key] ?? {}
    const { when, users_with_role: rules = [] } = role.granted_to ?? {}
    const stamps = this.#stamp('resource_role', `${resource}:${key}`)
    return {
      ...roleFields(key, role),
      // A block of derivations has no id of its own here, so it gets the id of its role.
      granted_to: { id: stamps.id, when, users_with_role: rules.map(rule => this.derivation(resource, rule)) },
      resource_id: this.#id('resource', resource),
      resource,
      ...stamps
    }
  }

  derivation (resource: string, rule: Derivation): Static<typeof DerivationRead> {
    return {
      ...rule,
      role_id: this.#id('resource_role', `${rule.on_resource}:${rule.role}`),
      resource_id: this.#id('resource', rule.on_resource),
      relation_id: this.#id('relation', `${resource}:${rule.linked_by_relation}`)
    }
  }

  role (key: string): Static<typeof RoleRead> {
    return { ...roleFields(key, this.#schema.roles[key] ?? {}), ...this.#stamp('role', key) }
  }

  conditionSet (key: string): Static<typeof ConditionSetRead> {
    const { user_sets: users, resource_sets: resources } = this.#schema
    if (Object.hasOwn(users, key)) {
      const { name = key, description, conditions } = users[key]!
      return { key, name, type: 'userset', autogenerated: false, description, conditions, ...this.#stamp('user_set', key) }
    }
    const { name = key, description, conditions, resource } = resources[key] ?? fail(`condition set '${key}'`)
    return {
      key,
      name,
      type: 'resourceset',
      autogenerated: false,
      description,
      conditions,
      resource_id: this.#id('resource', resource),
      resource: this.resource(resource),
      ...this.#stamp('resource_set', key)
    }
  }

  setRule (rule: PolicySetRule): Static<typeof SetRuleRead> {
    const { user_set: userSet, permission, resource_set: resourceSet } = rule
    const key = `${userSet}:${permission}:${resourceSet}`
    return { key, user_set: userSet, permission, resource_set: resourceSet, ...this.#stamp('set_rule', ruleKey(rule)) }
  }

  // Lists.

  resourceKeys (withBuiltIn = false): string[] {
    return [...(withBuiltIn ? BUILT_IN_KEYS : []), ...Object.keys(this.#schema.resources)]
  }

  roleKeys (): string[] {
    return Object.keys(this.#schema.roles)
  }

  conditionSetKeys (type?: 'userset' | 'resourceset'): string[] {
    const { user_sets: users, resource_sets: resources } = this.#schema
    return [...(type === 'resourceset' ? [] : Object.keys(users)), ...(type === 'userset' ? [] : Object.keys(resources))]
  }

  setRules ({ user_set: users, permission, resource_set: resources }: Partial<PolicySetRule>): PolicySetRule[] {
    return this.#schema.set_rules.filter(rule =>
      (users === undefined || withoutPrefix(rule.user_set) === withoutPrefix(users)) &&
      (permission === undefined || rule.permission === permission) &&
      (resources === undefined || withoutPrefix(rule.resource_set) === withoutPrefix(resources)))
  }

  /** The keys of the parts of a resource, for one kind of parts. */
  partKeys (resource: string, part: PartName): string[] {
    if (isBuiltIn(resource)) {
      if (part !== 'attributes') return []
      return [...Object.keys(builtIn(resource).attributes), ...Object.keys(declaredAttributes(this.#schema, resource))]
    }
    return Object.keys(this.#resource(resource)[part] ?? {})
  }

  get #schema () {
    return this.#environment.schema
  }

  #resource (key: string): PolicyResource {
    const { resources } = this.#schema
    return (Object.hasOwn(resources, key) ? resources[key] : undefined) ?? fail(`resource '${key}'`)
  }

  #key (kind: SchemaKind, given: string): string | undefined {
    return this.#environment.resolve(kind, given)
  }

  #id (kind: SchemaKind, key: string): string {
    return this.#stamp(kind, key).id
  }

  #stamp (kind: SchemaKind, key: string) {
    return stamp(this.#environment.metadata(kind, key) ?? fail(`${kind.replace('_', ' ')} '${key}'`))
  }
}

/** The resource type of the subjects of a relation. */
function subjectOf (relation: Relation): string {
  return typeof relation === 'string' ? relation : relation.subject_resource
}

type RoleFields = Pick<PolicyRole, 'name' | 'description' | 'permissions' | 'extends' | 'attributes'>

function roleFields (key: string, { name = key, description, permissions = [], extends: parents = [], attributes }: RoleFields) {
  return { key, name, description, permissions, extends: parents, attributes }
}

function fail (what: string): never {
  throw notFound(what)
}

function mapped<T, R> (record: Readonly<Record<string, T>>, show: (key: string, block: T) => R): Record<string, R> {
  return Object.fromEntries(Object.entries(record).map(([key, block]) => [key, show(key, block)]))
}
