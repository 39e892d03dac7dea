// A second engine, as slow and as plain as possible: it reads the document's lists from end to end for every question. What the
// real engine answers must be what this one answers.

import type { EngineQuery } from '../../src/engine/engine-query.js'
import type { Policy } from '../../src/engine/policy/policy.js'

type Json = unknown
interface Attributes { user: Record<string, Json>, resource: Record<string, Json>, tenant: Record<string, Json>, context: Record<string, Json> }
interface Assignment { user: string, role: string, tenant: string, on?: string }
interface Tuple { subject: string, relation: string, object: string }

const has = (value: unknown, key: string): boolean => Object.hasOwn(value ?? {}, key)
const get = (value: unknown, key: string): any => has(value, key) ? (value as Record<string, unknown>)[key] : undefined // eslint-disable-line @typescript-eslint/no-explicit-any

export class Reference {
  readonly #policy: Policy
  constructor (policy: Policy) { this.#policy = policy }

  allow (query: EngineQuery): boolean {
    const { action, resource } = query
    const type = get(this.#policy.resources, resource.type)
    if (type === undefined || !has(type.actions, action)) return false
    return this.rbac(query) || this.abac(query) || this.rebac(query)
  }

  #assignments (): Assignment[] {
    return (this.#policy.role_assignments ?? []).map(({ user, role, tenant = 'default', resource_instance: on }) => on === undefined ? { user, role, tenant } : { user, role, tenant, on })
  }

  #tuples (): Tuple[] {
    return this.#policy.relationship_tuples ?? []
  }

  #instance (id: string) {
    return (this.#policy.resource_instances ?? []).find(({ resource, key }) => `${resource}:${key}` === id)
  }

  #tenantRoles (user: string, tenant: string): string[] {
    return this.#assignments().filter(a => a.user === user && a.tenant === tenant && a.on === undefined).map(({ role }) => role)
  }

  rbac ({ user, action, resource }: EngineQuery): boolean {
    const holds = (role: string): boolean => {
      const definition = get(this.#policy.roles, role)
      return (definition?.permissions ?? []).includes(`${resource.type}:${action}`) || (definition?.extends ?? []).some(holds)
    }
    return this.#tenantRoles(user.key, resource.tenant).some(holds)
  }

  abac (query: EngineQuery): boolean {
    const { user, action, resource } = query
    const attributes = this.#attributes(query)
    return (this.#policy.set_rules ?? []).some(rule => {
      if (rule.permission !== `${resource.type}:${action}`) return false
      const userSet = get(this.#policy.user_sets, rule.user_set)
      const resourceSet = get(this.#policy.resource_sets, rule.resource_set)
      const inUserSet = userSet === undefined ? this.#tenantRoles(user.key, resource.tenant).includes(rule.user_set) : meets(userSet.conditions, attributes)
      const inResourceSet = resourceSet === undefined ? rule.resource_set === resource.type : resourceSet.resource === resource.type && meets(resourceSet.conditions, attributes)
      return inUserSet && inResourceSet
    })
  }

  #attributes ({ user, resource, context }: EngineQuery): Attributes {
    const stored = get(this.#policy.users, user.key)
    const tenants = [...new Set(this.#assignments().filter(a => a.user === user.key && a.on === undefined).map(({ tenant }) => tenant))]
    const member = tenants.includes(resource.tenant)
    const profile = (value: unknown) => pick(value, ['email', 'first_name', 'last_name'])
    return {
      user: merge({ ...(stored === undefined ? {} : { key: user.key }), roles: this.#tenantRoles(user.key, resource.tenant), tenants }, profile(stored), stored?.attributes, profile(user), user.attributes),
      resource: merge({ type: resource.type }, this.#instance(`${resource.type}:${resource.key}`)?.attributes, resource.attributes),
      tenant: member ? get(this.#policy.tenants, resource.tenant)?.attributes ?? {} : {},
      context: context ?? {}
    }
  }

  rebac ({ user, action, resource }: EngineQuery): boolean {
    if (resource.key === undefined) return false
    const id = `${resource.type}:${resource.key}`
    if (this.#tenantOf(id) !== resource.tenant) return false
    const roles = this.#rolesEverywhere(user.key)
    const holds = (role: string): boolean => {
      const definition = get(get(this.#policy.resources, resource.type).roles, role)
      const permissions: string[] = definition?.permissions ?? []
      return permissions.includes(action) || permissions.includes(`${resource.type}:${action}`) || (definition?.extends ?? []).some(holds)
    }
    return Object.keys(get(this.#policy.resources, resource.type).roles ?? {}).some(role => roles.has(JSON.stringify([id, role])) && holds(role))
  }

  #tenantOf (id: string): string {
    return this.#instance(id)?.tenant ?? 'default'
  }

  /** All [instance, role] of the user: applies every derivation to every tuple until nothing new comes out. */
  #rolesEverywhere (user: string): Set<string> {
    const direct = this.#assignments().filter(a => a.user === user && a.on !== undefined)
    const roles = new Set(direct.map(({ on, role }) => JSON.stringify([on, role])))
    for (let before = -1; before !== roles.size;) {
      before = roles.size
      for (const [type, resource] of Object.entries(this.#policy.resources ?? {})) {
        for (const [role, definition] of Object.entries(resource.roles ?? {})) {
          for (const rule of definition?.granted_to?.users_with_role ?? []) {
            for (const { subject, relation, object } of this.#tuples()) {
              const fits = relation === rule.linked_by_relation && object.startsWith(`${type}:`) && subject.startsWith(`${rule.on_resource}:`)
              const off = (rule.when?.no_direct_roles_on_object === true || definition?.granted_to?.when?.no_direct_roles_on_object === true) &&
                direct.some(({ on }) => on === object)
              if (fits && !off && roles.has(JSON.stringify([subject, rule.role]))) roles.add(JSON.stringify([object, role]))
            }
          }
        }
      }
    }
    return roles
  }
}

function pick (value: unknown, keys: string[]): Record<string, Json> {
  return Object.fromEntries(keys.filter(key => get(value, key) !== undefined).map(key => [key, get(value, key)]))
}

const plain = (value: unknown): value is Record<string, Json> => typeof value === 'object' && value !== null && !Array.isArray(value)

function merge (...sources: unknown[]): Record<string, Json> {
  const result: Record<string, Json> = Object.create(null)
  for (const source of sources) {
    for (const [key, value] of Object.entries(source ?? {})) {
      result[key] = plain(result[key]) && plain(value) ? merge(result[key], value) : value
    }
  }
  return result
}

function find (path: string, attributes: Attributes): Json {
  const [scope = '', ...names] = path.split('.')
  let value: Json = { user: attributes.user, subject: attributes.user, resource: attributes.resource, tenant: attributes.tenant, context: attributes.context, environment: attributes.context }[scope]
  for (const name of names) value = plain(value) ? get(value, name) : undefined
  return value
}

function meets (condition: any, attributes: Attributes): boolean { // eslint-disable-line @typescript-eslint/no-explicit-any
  return Object.entries(condition).every(([key, value]: [string, any]) => { // eslint-disable-line @typescript-eslint/no-explicit-any
    if (key === 'allOf' || key === 'and') return value.every((item: unknown) => meets(item, attributes))
    if (key === 'anyOf' || key === 'or') return value.some((item: unknown) => meets(item, attributes))
    if (key === 'not') return [value].flat().every((item: unknown) => !meets(item, attributes))
    return passes(find(key, attributes), value, attributes)
  })
}

function passes (attribute: any, tests: any, attributes: Attributes): boolean { // eslint-disable-line @typescript-eslint/no-explicit-any
  return Object.entries(tests).every(([operator, written]: [string, any]) => { // eslint-disable-line @typescript-eslint/no-explicit-any
    if (operator === 'allOf' || operator === 'and') return written.every((item: unknown) => passes(attribute, item, attributes))
    if (operator === 'anyOf' || operator === 'or') return written.some((item: unknown) => passes(attribute, item, attributes))
    if (operator === 'not') return [written].flat().every((item: unknown) => !passes(attribute, item, attributes))
    const value = plain(written) && has(written, 'ref') ? find(written['ref'] as string, attributes) : written
    if (attribute === undefined || value === undefined) return false
    const same = (a: Json, b: Json): boolean => canonical(a) === canonical(b)
    const lists = Array.isArray(attribute) && Array.isArray(value)
    const matches = (element: unknown): boolean => plain(element) &&
      Object.entries(value.match).every(([field, more]) => passes(field.split('.').reduce<Json>((inner, name) => plain(inner) ? get(inner, name) : undefined, element), more, attributes))
    const comparable = typeof attribute === typeof value && (typeof value === 'number' || typeof value === 'string')
    switch (operator) {
      case 'equals': return same(attribute, value)
      case 'not-equals': return !same(attribute, value)
      case 'less-than': return comparable && attribute < value
      case 'less-than-equals': return comparable && attribute <= value
      case 'greater-than': return comparable && attribute > value
      case 'greater-than-equals': return comparable && attribute >= value
      case 'between': return Array.isArray(value) && typeof attribute === typeof value[0] && attribute >= value[0] && attribute <= value[1]
      case 'contains': return typeof attribute === 'string' && typeof value === 'string' && attribute.indexOf(value) >= 0
      case 'in': return Array.isArray(value) && value.some(item => same(item, attribute))
      case 'array_contains': return Array.isArray(attribute) && attribute.some(item => same(item, value))
      case 'array_subset': return lists && attribute.every(a => value.some(b => same(a, b)))
      case 'array_superset': return lists && value.every(b => attribute.some(a => same(a, b)))
      case 'array_intersect': return lists && attribute.some(a => value.some(b => same(a, b)))
      case 'object_match': return matches(attribute)
      case 'any_match': return Array.isArray(attribute) && attribute.some(matches)
      case 'all_match': return Array.isArray(attribute) && attribute.every(matches)
      default: throw new Error(`the reference does not know ${operator}`)
    }
  })
}

function canonical (value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
  if (plain(value)) return `{${Object.keys(value).sort().map(key => `${JSON.stringify(key)}:${canonical(value[key])}`).join()}}`
  return JSON.stringify(value) ?? 'undefined'
}
