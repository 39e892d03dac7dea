// A schema read back as the REST API shows it, and found in it by key or id.
import type { Static } from 'typebox'
import { notFound } from '../../http/failures.js'
import { stamp } from '../stamps.js'
import { withoutPrefix } from './removed.js'
import { ruleKey } from '../../../environment/environment-schema.js'
import type { PolicyResource, PolicyResourceRole, PolicyRole, PolicySetRule } from '../../../engine/policy/policy.js'
import type { Environment, SchemaKind } from '../../../environment/environment.js'
import type {
  ActionRead, AttributeRead, ConditionSetRead, DerivationRead, RelationRead, ResourceRead, ResourceRoleRead, RoleRead, SetRuleRead
} from './schema-shapes.js'

type Relation = NonNullable<PolicyResource['relations']>[string]
type Derivation = NonNullable<NonNullable<PolicyResourceRole['granted_to']>['users_with_role']>[number]
type PartName = 'actions' | 'attributes' | 'relations' | 'roles'

const PART_KINDS = { actions: 'action', attributes: 'attribute', relations: 'relation', roles: 'resource_role' } as const

/** The schema of an environment as it is now. */
export class SchemaView {
  readonly #environment: Environment

  constructor (environment: Environment) {
    this.#environment = environment
  }

  // keys, by key or id; 404 when there is none

  resourceKey (given: string): string {
    return this.#key('resource', given) ?? fail(`resource '${given}'`)
  }

  roleKey (given: string): string {
    return this.#key('role', given) ?? fail(`role '${given}'`)
  }

  conditionSetKey (given: string): string {
    return this.#key('user_set', given) ?? this.#key('resource_set', given) ?? fail(`condition set '${given}'`)
  }

  /** @param resource - a key, of a resource that is there */
  partKey (resource: string, part: PartName, given: string): string {
    const prefix = `${resource}:`
    const found = this.#key(PART_KINDS[part], prefix + given) ?? this.#key(PART_KINDS[part], given)
    // An id is known everywhere, and may be of another resource's part.
    return found?.startsWith(prefix) === true ? found.slice(prefix.length) : fail(`${PART_KINDS[part].replace('_', ' ')} '${given}' of resource '${resource}'`)
  }

  // parts, as they are read back

  resource (key: string): Static<typeof ResourceRead> {
    const { name = key, urn, description, actions, attributes = {}, roles = {}, relations = {} } = this.#resource(key)
    return {
      key,
      name,
      urn,
      description,
      actions: mapped(actions, (action, block) => ({ ...block, key: action, id: this.#id('action', `${key}:${action}`) })),
      attributes: mapped(attributes, (attribute, block) => ({ type: 'string' as const, ...block, key: attribute, id: this.#id('attribute', `${key}:${attribute}`) })),
      roles: mapped(roles, (role, block) => ({ ...roleFields(role, block ?? {}), id: this.#id('resource_role', `${key}:${role}`) })),
      relations: mapped(relations, (_, relation) => ({ resource_id: this.#id('resource', subjectOf(relation)), resource: subjectOf(relation) })),
      action_groups: {},
      ...this.#stamp('resource', key)
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
      // A block of derivations has no life of its own here, and so the id of its role.
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
    return { key: `${userSet}:${permission}:${resourceSet}`, user_set: userSet, permission, resource_set: resourceSet, ...this.#stamp('set_rule', ruleKey(rule)) }
  }

  // lists

  resourceKeys (): string[] {
    return Object.keys(this.#schema.resources)
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

  /** The keys of one kind of a resource's parts. */
  partKeys (resource: string, part: PartName): string[] {
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

/** The resource type of a relation's subjects. */
function subjectOf (relation: Relation): string {
  return typeof relation === 'string' ? relation : relation.subject_resource
}

function roleFields (key: string, { name = key, description, permissions = [], extends: parents = [], attributes }: Pick<PolicyRole, 'name' | 'description' | 'permissions' | 'extends' | 'attributes'>) {
  return { key, name, description, permissions, extends: parents, attributes }
}

function fail (what: string): never {
  throw notFound(what)
}

function mapped<T, R> (record: Readonly<Record<string, T>>, show: (key: string, block: T) => R): Record<string, R> {
  return Object.fromEntries(Object.entries(record).map(([key, block]) => [key, show(key, block)]))
}
