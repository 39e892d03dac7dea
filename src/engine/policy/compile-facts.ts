// Checks the facts that a document lists against its schema and against one another, and completes what they leave out.

import { blockOf, blocksOf, entriesOf, isText } from './document.js'
import { DEFAULT_TENANT, parseInstance, type RelationshipTupleFact, type ResourceInstanceFact, type RoleAssignmentFact, type TenantFact, type UserFact } from '../facts/fact.js'
import { suggest } from '../../kit/suggest.js'
import { splitPair } from '../../kit/split-at-colon.js'
import type { Compilation, Path, TypeDraft } from './compilation.js'

/** The facts of a document, complete: tenants filled in, and instances that are only mentioned added. */
export interface DocumentFacts {
  readonly users: ReadonlyMap<string, UserFact>
  readonly tenants: ReadonlyMap<string, TenantFact>
  /** By `type:key`. */
  readonly resourceInstances: ReadonlyMap<string, ResourceInstanceFact & { readonly listed: boolean }>
  readonly roleAssignments: readonly RoleAssignmentFact[]
  readonly relationshipTuples: readonly RelationshipTupleFact[]
}

/** No facts at all. */
export const NO_FACTS: DocumentFacts = { users: new Map(), tenants: new Map(), resourceInstances: new Map(), roleAssignments: [], relationshipTuples: [] }

/** The facts of the document; mistakes go to the compilation's problems. */
export function compileFacts (compilation: Compilation): DocumentFacts {
  return new FactsCompiler(compilation).compile()
}

class FactsCompiler {
  readonly #compilation: Compilation
  readonly #users: Map<string, UserFact>
  readonly #tenants: Map<string, TenantFact>
  readonly #instances = new Map<string, ResourceInstanceFact & { readonly listed: boolean }>()

  constructor (compilation: Compilation) {
    this.#compilation = compilation
    const { users, tenants } = compilation.policy
    this.#users = new Map(entriesOf(users).map(([key, user]) => [key, { ...blockOf(user), key }]))
    this.#tenants = new Map(entriesOf(tenants).map(([key, tenant]) => [key, { ...blockOf(tenant), key }]))
  }

  compile (): DocumentFacts {
    const { policy } = this.#compilation
    for (const [index, instance] of blocksOf(policy.resource_instances)) this.#addInstance(instance, ['resource_instances', index])
    // Before tuples, because an assignment may say which tenant the instances of a tuple are in.
    const roleAssignments = this.#distinct(blocksOf(policy.role_assignments), 'role_assignments', (fact, path) => this.#assignment(fact, path))
    const relationshipTuples = this.#distinct(blocksOf(policy.relationship_tuples), 'relationship_tuples', (fact, path) => this.#tuple(fact, path))
    return { users: this.#users, tenants: this.#tenants, resourceInstances: this.#instances, roleAssignments, relationshipTuples }
  }

  #distinct<T, F> (items: ReadonlyArray<[number, T]>, list: string, complete: (item: T, path: Path) => F | undefined): F[] {
    const facts = new Map<string, F>()
    for (const [index, item] of items) {
      const fact = complete(item, [list, index])
      if (fact === undefined) continue
      const id = JSON.stringify(fact)
      if (facts.has(id)) this.#compilation.problem([list, index], 'this is there twice', 'remove one of them')
      facts.set(id, fact)
    }
    return [...facts.values()]
  }

  #addInstance (written: Partial<ResourceInstanceFact>, path: Path): void {
    const { resource, key, tenant = DEFAULT_TENANT, attributes } = written
    if (!isText(resource) || !isText(key) || this.#type(resource, [...path, 'resource']) === undefined) return
    this.#needTenant(tenant, [...path, 'tenant'])
    const id = `${resource}:${key}`
    if (this.#instances.has(id)) this.#compilation.problem(path, `resource instance '${id}' is there twice`, 'remove one of them')
    this.#instances.set(id, { resource, key, tenant, ...(attributes === undefined ? {} : { attributes }), listed: true })
  }

  #assignment ({ user, role, tenant, resource_instance: on }: Partial<RoleAssignmentFact>, path: Path): RoleAssignmentFact | undefined {
    if (isText(user) && !this.#users.has(user)) {
      this.#compilation.problem([...path, 'user'], `user '${user}' is not defined`, suggest(user, this.#users.keys(), 'define it under users'))
    }
    if (isText(tenant)) this.#needTenant(tenant, [...path, 'tenant'])
    if (on === undefined) {
      if (isText(role)) this.#needRole(role, this.#compilation.roles, 'roles', [...path, 'role'])
      return isText(user) && isText(role) ? { user, role, tenant: tenant ?? DEFAULT_TENANT } : undefined
    }
    const type = this.#instanceType(on, [...path, 'resource_instance'])
    if (type === undefined) return undefined
    if (isText(role)) this.#needRole(role, type.resourceRoles.keys(), `resources.${type.key}.roles`, [...path, 'role'])
    const instance = this.#mention(on, tenant, [...path, 'tenant'])
    return isText(user) && isText(role) ? { user, role, tenant: instance.tenant, resource_instance: on } : undefined
  }

  #tuple ({ subject, relation, object, tenant }: Partial<RelationshipTupleFact>, path: Path): RelationshipTupleFact | undefined {
    if (isText(tenant)) this.#needTenant(tenant, [...path, 'tenant'])
    const subjectType = isText(subject) ? this.#instanceType(subject, [...path, 'subject']) : undefined
    const objectType = isText(object) ? this.#instanceType(object, [...path, 'object']) : undefined
    if (!isText(subject) || !isText(object) || !isText(relation) || subjectType === undefined || objectType === undefined) return undefined
    const wanted = objectType.relations.get(relation)
    if (wanted === undefined) {
      this.#compilation.problem([...path, 'relation'], `resource type '${objectType.key}' has no relation '${relation}'`, suggest(relation, objectType.relations.keys(), `define it under resources.${objectType.key}.relations`))
      return undefined
    }
    if (wanted !== subjectType.key) {
      // Not the tuple's mistake when the relation itself is wrong.
      if (!this.#compilation.types.has(wanted)) return undefined
      this.#compilation.problem([...path, 'subject'], `relation '${relation}' of '${objectType.key}' links a '${wanted}', not a '${subjectType.key}'`, `write '${wanted}:<key>'`)
      return undefined
    }
    const together = tenant ?? (this.#instances.get(subject) ?? this.#instances.get(object))?.tenant
    const at = [...path, tenant === undefined ? 'object' : 'tenant']
    this.#mention(subject, together, at)
    return { subject, relation, object, tenant: this.#mention(object, together, at).tenant }
  }

  /** The instance, added when nothing else lists it. */
  #mention (id: string, tenant: string | undefined, path: Path): ResourceInstanceFact {
    const known = this.#instances.get(id)
    if (known !== undefined) {
      if (tenant !== undefined && tenant !== known.tenant) {
        this.#compilation.problem(path, `resource instance '${id}' is in tenant '${known.tenant}', not in '${tenant}'`, known.listed ? `write '${known.tenant}', or change the tenant of the instance` : 'list it under resource_instances with its tenant')
      }
      return known
    }
    const instance = { ...parseInstance(id), tenant: tenant ?? DEFAULT_TENANT, listed: false }
    this.#instances.set(id, instance)
    return instance
  }

  #instanceType (id: string, path: Path): TypeDraft | undefined {
    if (!isText(id)) return undefined
    const parts = splitPair(id)
    if (parts === undefined) {
      this.#compilation.problem(path, `'${id}' is not a resource instance`, "write '<resource type>:<key>', such as 'document:spec'")
      return undefined
    }
    return this.#type(parts.before, path)
  }

  #type (key: string, path: Path): TypeDraft | undefined {
    return this.#compilation.type(key, path)
  }

  #needTenant (key: string, path: Path): void {
    if (key === DEFAULT_TENANT || this.#tenants.has(key)) return
    this.#compilation.problem(path, `tenant '${key}' is not defined`, suggest(key, [DEFAULT_TENANT, ...this.#tenants.keys()], 'define it under tenants'))
  }

  #needRole (role: string, roles: Iterable<string>, where: string, path: Path): void {
    const known = new Set(roles)
    if (!known.has(role)) this.#compilation.problem(path, `role '${role}' is not defined`, suggest(role, known, `define it under ${where}`))
  }
}
