// Checks the facts of a document against its schema and against each other, and adds what they leave out.

import { clone } from '../../kit/clone.js'
import { isRecord } from '../../kit/is-record.js'
import { blockOf, isText } from './document.js'
import {
  DEFAULT_TENANT, parseInstance, type RelationshipTupleFact, type ResourceInstanceFact, type RoleAssignmentFact, type TenantFact,
  type UserFact
} from '../facts/fact.js'
import { newAssignments, newTuples, type Links } from '../facts/link-set.js'
import { parseInstant } from '../../kit/instant.js'
import { suggest } from '../../kit/suggest.js'
import { splitPair } from '../../kit/split-at-colon.js'
import type { Compilation, Path, TypeDraft } from './compilation.js'
import type { FactRecords } from './fact-records.js'

/**
 * The complete facts of a document: with tenants, and with instances that are only mentioned. No other code changes these objects; the
 * engine's facts contain the same ones.
 */
export interface DocumentFacts {
  readonly users: ReadonlyMap<string, UserFact>
  readonly tenants: ReadonlyMap<string, TenantFact>
  /** By `type:key`. */
  readonly resourceInstances: ReadonlyMap<string, ResourceInstanceFact>
  /** The ids of instances that are only named by assignments and tuples. */
  readonly mentioned: ReadonlySet<string>
  readonly roleAssignments: readonly RoleAssignmentFact[]
  readonly relationshipTuples: readonly RelationshipTupleFact[]
}

/** No facts. */
export const NO_FACTS: DocumentFacts = {
  users: new Map(),
  tenants: new Map(),
  resourceInstances: new Map(),
  mentioned: new Set(),
  roleAssignments: [],
  relationshipTuples: []
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }

/** Records per step: a few hundred microseconds. */
const STEP = 128

/** Compiles the facts of a document, in steps. Mistakes are added to the problems of the compilation. */
export function * compileFacts (compilation: Compilation, records: FactRecords): Generator<undefined, DocumentFacts> {
  const compiler = new FactsCompiler(compilation, records.owned)
  let count = 0
  for (const [key, tenant] of records.keyed('tenants')) {
    compiler.addTenant(key, tenant)
    if (++count % STEP === 0) yield
  }
  for (const [key, user] of records.keyed('users')) {
    compiler.addUser(key, user)
    if (++count % STEP === 0) yield
  }
  for (const [index, instance] of records.listed('resource_instances')) {
    compiler.addInstance(instance, index)
    if (++count % STEP === 0) yield
  }
  // Before tuples: an assignment may define the tenant of an instance in a tuple.
  for (const [index, assignment] of records.listed('role_assignments')) {
    compiler.addAssignment(assignment, index)
    if (++count % STEP === 0) yield
  }
  for (const [index, tuple] of records.listed('relationship_tuples')) {
    compiler.addTuple(tuple, index)
    if (++count % STEP === 0) yield
  }
  return compiler.facts
}

class FactsCompiler {
  readonly #compilation: Compilation
  readonly #owned: boolean
  readonly #users = new Map<string, UserFact>()
  readonly #tenants = new Map<string, TenantFact>()
  readonly #instances = new Map<string, ResourceInstanceFact>()
  readonly #mentioned = new Set<string>()
  readonly #roles: ReadonlyMap<string, string>
  readonly #roleAssignments: RoleAssignmentFact[] = []
  readonly #assigned: Links<RoleAssignmentFact> = newAssignments()
  readonly #relationshipTuples: RelationshipTupleFact[] = []
  readonly #linked: Links<RelationshipTupleFact> = newTuples()

  constructor (compilation: Compilation, owned: boolean) {
    this.#compilation = compilation
    this.#owned = owned
    this.#roles = new Map(Array.from(compilation.roles, role => [role, role]))
  }

  get facts (): DocumentFacts {
    return {
      users: this.#users,
      tenants: this.#tenants,
      resourceInstances: this.#instances,
      mentioned: this.#mentioned,
      roleAssignments: this.#roleAssignments,
      relationshipTuples: this.#relationshipTuples
    }
  }

  addTenant (key: string, record: unknown): void {
    if (this.#tenants.has(key)) this.#compilation.problem(['tenants', key], 'this appears twice', 'remove one of them')
    const { name, description, attributes } = blockOf(record as Partial<TenantFact>)
    const tenant: Writable<TenantFact> = { key }
    if (name !== undefined) tenant.name = name
    if (description !== undefined) tenant.description = description
    if (attributes !== undefined) tenant.attributes = this.#own(attributes)
    this.#tenants.set(key, tenant)
  }

  addUser (key: string, record: unknown): void {
    const { size } = this.#users
    const { email, first_name: firstName, last_name: lastName, attributes } = blockOf(record as Partial<UserFact>)
    const user: Writable<UserFact> = { key }
    if (email !== undefined) user.email = email
    if (firstName !== undefined) user.first_name = firstName
    if (lastName !== undefined) user.last_name = lastName
    if (attributes !== undefined) user.attributes = this.#own(attributes)
    this.#users.set(key, user)
    // A document that is read in parts may contain both.
    if (this.#users.size === size) this.#compilation.problem(['users', key], 'this appears twice', 'remove one of them')
  }

  addInstance (record: unknown, index: number): void {
    if (!isRecord(record)) return
    const { resource, key, tenant = DEFAULT_TENANT, attributes } = record as Partial<ResourceInstanceFact>
    if (!isText(resource) || !isText(key)) return
    const type = this.#compilation.types.get(resource)
    if (type === undefined) {
      this.#type(resource, ['resource_instances', index, 'resource'])
      return
    }
    this.#needTenant(tenant, ['resource_instances', index], 'tenant')
    const id = `${resource}:${key}`
    if (this.#instances.has(id)) {
      this.#compilation.problem(['resource_instances', index], `resource instance '${id}' appears twice`, 'remove one of them')
    }
    const own = attributes === undefined ? undefined : { attributes: this.#own(attributes) }
    this.#instances.set(id, { resource: type.key, key, tenant: this.#sameTenant(tenant), ...own })
  }

  addAssignment (record: unknown, index: number): void {
    if (!isRecord(record)) return
    const assigned = this.#assignment(record as Partial<RoleAssignmentFact>, ['role_assignments', index])
    if (assigned === undefined) return
    const { expires_at: end } = record as Partial<RoleAssignmentFact>
    if (isText(end) && parseInstant(end) === undefined) {
      const path = ['role_assignments', index, 'expires_at']
      this.#compilation.problem(path, `'${end}' is not a time`, "write '2027-01-31T18:00:00Z', with a zone")
    }
    const fact = isText(end) ? { ...assigned, expires_at: end } : assigned
    if (this.#assigned.add(fact)) this.#roleAssignments.push(fact)
    else this.#compilation.problem(['role_assignments', index], 'this appears twice', 'remove one of them')
  }

  addTuple (record: unknown, index: number): void {
    if (!isRecord(record)) return
    const fact = this.#tuple(record as Partial<RelationshipTupleFact>, ['relationship_tuples', index])
    if (fact === undefined) return
    if (this.#linked.add(fact)) this.#relationshipTuples.push(fact)
    else this.#compilation.problem(['relationship_tuples', index], 'this appears twice', 'remove one of them')
  }

  #assignment ({ user, role, tenant, resource_instance: on }: Partial<RoleAssignmentFact>, path: Path): RoleAssignmentFact | undefined {
    const known = isText(user) ? this.#users.get(user) : undefined
    if (isText(user) && known === undefined) {
      const hint = suggest(user, this.#users.keys(), 'define it under users')
      this.#compilation.problem([...path, 'user'], `user '${user}' is not defined`, hint)
    }
    if (isText(tenant)) this.#needTenant(tenant, path, 'tenant')
    if (on === undefined) {
      if (isText(role)) this.#needRole(role, this.#roles, 'roles', path)
      if (!isText(user) || !isText(role)) return undefined
      // Reuses existing strings, so that a million assignments do not keep a million copies.
      return { user: known?.key ?? user, role: this.#roles.get(role) ?? role, tenant: this.#sameTenant(tenant ?? DEFAULT_TENANT) }
    }
    const type = this.#instanceType(on, path, 'resource_instance')
    if (type === undefined) return undefined
    if (isText(role)) this.#needRole(role, type.resourceRoles, `resources.${type.key}.roles`, path)
    const instance = this.#mention(on, tenant, path, 'tenant')
    if (!isText(user) || !isText(role)) return undefined
    return { user: known?.key ?? user, role: type.resourceRoles.get(role)?.key ?? role, tenant: instance.tenant, resource_instance: on }
  }

  #tuple ({ subject, relation, object, tenant }: Partial<RelationshipTupleFact>, path: Path): RelationshipTupleFact | undefined {
    if (isText(tenant)) this.#needTenant(tenant, path, 'tenant')
    const subjectType = isText(subject) ? this.#instanceType(subject, path, 'subject') : undefined
    const objectType = isText(object) ? this.#instanceType(object, path, 'object') : undefined
    if (!isText(subject) || !isText(object) || !isText(relation) || subjectType === undefined || objectType === undefined) return undefined
    const wanted = objectType.relations.get(relation)
    if (wanted === undefined) {
      const hint = suggest(relation, objectType.relations.keys(), `define it under resources.${objectType.key}.relations`)
      this.#compilation.problem([...path, 'relation'], `resource type '${objectType.key}' has no relation '${relation}'`, hint)
      return undefined
    }
    if (wanted !== subjectType.key) {
      // The relation itself is invalid, which is reported there.
      if (!this.#compilation.types.has(wanted)) return undefined
      const message = `relation '${relation}' of '${objectType.key}' links a '${wanted}', not a '${subjectType.key}'`
      this.#compilation.problem([...path, 'subject'], message, `write '${wanted}:<key>'`)
      return undefined
    }
    const together = tenant ?? (this.#instances.get(subject) ?? this.#instances.get(object))?.tenant
    const at = tenant === undefined ? 'object' : 'tenant'
    this.#mention(subject, together, path, at)
    return { subject, relation, object, tenant: this.#mention(object, together, path, at).tenant }
  }

  /** The instance. It is added when it is not listed. */
  #mention (id: string, tenant: string | undefined, path: Path, field: string): ResourceInstanceFact {
    const known = this.#instances.get(id)
    if (known !== undefined) {
      if (tenant !== undefined && tenant !== known.tenant) {
        const hint = this.#mentioned.has(id)
          ? 'list it under resource_instances with its tenant'
          : `write '${known.tenant}', or change the tenant of the instance`
        this.#compilation.problem([...path, field], `resource instance '${id}' is in tenant '${known.tenant}', not in '${tenant}'`, hint)
      }
      return known
    }
    const instance = { ...parseInstance(id), tenant: this.#sameTenant(tenant ?? DEFAULT_TENANT) }
    this.#instances.set(id, instance)
    this.#mentioned.add(id)
    return instance
  }

  #instanceType (id: string, path: Path, field: string): TypeDraft | undefined {
    if (!isText(id)) return undefined
    const parts = splitPair(id)
    if (parts === undefined) {
      const hint = "write '<resource type>:<key>', such as 'document:spec'"
      this.#compilation.problem([...path, field], `'${id}' is not a resource instance`, hint)
      return undefined
    }
    return this.#compilation.types.get(parts.before) ?? this.#type(parts.before, [...path, field])
  }

  #type (key: string, path: Path): TypeDraft | undefined {
    return this.#compilation.type(key, path)
  }

  #needTenant (key: string, path: Path, field: string): void {
    if (key === DEFAULT_TENANT || this.#tenants.has(key)) return
    const hint = suggest(key, [DEFAULT_TENANT, ...this.#tenants.keys()], 'define it under tenants')
    this.#compilation.problem([...path, field], `tenant '${key}' is not defined`, hint)
  }

  #needRole (role: string, known: ReadonlyMap<string, unknown>, where: string, path: Path): void {
    if (known.has(role)) return
    const hint = suggest(role, known.keys(), `define it under ${where}`)
    this.#compilation.problem([...path, 'role'], `role '${role}' is not defined`, hint)
  }

  #sameTenant (key: string): string {
    return this.#tenants.get(key)?.key ?? key
  }

  #own<T> (value: T): T {
    return this.#owned ? value : clone(value)
  }
}
