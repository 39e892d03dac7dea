// The facts of a policy, in memory: indexed, so that decisions look up and never scan.
import {
  DEFAULT_TENANT, FactsError, parseInstance, type FactChange, type RelationshipTupleFact, type ResourceInstanceFact,
  type RoleAssignmentFact, type TenantFact, type TenantOptional, type UserFact
} from './fact.js'
import { UserNode, TenantNode, TenantRoles, InstanceNode } from './fact-nodes.js'
import { Expiries } from './expiries.js'
import { withRole, withoutRole } from './role-lists.js'
import { StoredObjects } from './stored-objects.js'
import { clone } from '../../kit/clone.js'
import { parseInstant } from '../../kit/instant.js'
import { splitAtColon } from '../../kit/split-at-colon.js'

/**
 * The facts, in memory.
 *
 * Writes check what they refer to: the user and the tenant of an assignment and the tenant of an instance must exist, and both ends of a
 * tuple must be in the same tenant. They do not check the schema (whether a role or relation exists), because schema and facts change
 * independently; a fact that the schema does not know grants nothing. An instance that an assignment or a tuple names is created when it
 * is missing, as in Permit.
 *
 * Arguments are copied. Results are shared and must not be changed.
 */
export class Facts {
  #revision = 0
  #removals = 0
  readonly #users = new Map<string, UserNode>()
  readonly #tenants = new Map<string, TenantNode>()
  readonly #instances = new Map<string, Map<string, InstanceNode>>()
  readonly #objects = new StoredObjects()
  readonly #expiries = new Expiries()
  readonly #listeners = new Set<(change: FactChange) => void>()

  constructor () {
    this.#tenants.set(DEFAULT_TENANT, new TenantNode({ key: DEFAULT_TENANT }))
  }

  /** Increases with every change. Repeating an assignment or deleting something that does not exist is no change. */
  get revision (): number {
    return this.#revision
  }

  /** How many users and instances were removed since the start, for searches that go on later. */
  get removals (): number {
    return this.#removals
  }

  /**
   * Calls the listener after every elementary change, including those of a cascade. The cascade may not be finished, so a listener must not
   * write facts.
   *
   * @returns a function that removes the listener
   */
  subscribe (listener: (change: FactChange) => void): () => void {
    this.#listeners.add(listener)
    return () => { this.#listeners.delete(listener) }
  }

  // Users

  /** Creates the user, or replaces its attributes; its roles stay. Returns whether it is new. */
  upsertUser (fact: UserFact): boolean {
    needKey('user', fact.key)
    return this.adoptUser(copy<UserFact>(fact, ['key', 'email', 'first_name', 'last_name', 'attributes']))
  }

  /** @internal Like {@link Facts.upsertUser}, for a complete fact that no other code changes: it is not copied. */
  adoptUser (stored: UserFact): boolean {
    const node = this.#users.get(stored.key)
    const before = node?.fact
    if (node === undefined) this.#users.set(stored.key, new UserNode(stored))
    else node.fact = stored
    this.#changed('set', 'user', stored, before)
    return node === undefined
  }

  /** Deletes the user and its role assignments. Returns whether it existed. */
  deleteUser (key: string): boolean {
    const user = this.#users.get(key)
    if (user === undefined) return false
    for (const assignment of [...assignmentsOf(user)]) this.unassignRole(assignment)
    this.#users.delete(key)
    this.#changed('delete', 'user', user.fact)
    return true
  }

  getUser (key: string): UserFact | undefined {
    return this.#users.get(key)?.fact
  }

  get userCount (): number {
    return this.#users.size
  }

  * users (): Generator<UserFact> {
    for (const user of this.#users.values()) yield user.fact
  }

  // Tenants

  /** Creates the tenant, or replaces its attributes. Returns whether it is new. */
  upsertTenant (fact: TenantFact): boolean {
    needKey('tenant', fact.key)
    return this.adoptTenant(copy<TenantFact>(fact, ['key', 'name', 'description', 'attributes']))
  }

  /** @internal Like {@link Facts.upsertTenant}, for a complete fact that no other code changes: it is not copied. */
  adoptTenant (stored: TenantFact): boolean {
    const node = this.#tenants.get(stored.key)
    const before = node?.fact
    if (node === undefined) this.#tenants.set(stored.key, new TenantNode(stored))
    else node.fact = stored
    this.#changed('set', 'tenant', stored, before)
    return node === undefined
  }

  /**
   * Deletes the tenant, the assignments in it, and its instances with their assignments and tuples. Returns whether it existed.
   *
   * @throws {@link FactsError} `conflict` for `default`, which always exists
   */
  deleteTenant (key: string): boolean {
    if (key === DEFAULT_TENANT) throw new FactsError('conflict', `tenant '${DEFAULT_TENANT}' always exists and cannot be deleted`)
    const tenant = this.#tenants.get(key)
    if (tenant === undefined) return false
    for (const instance of [...tenant.instances]) this.#deleteInstance(instance)
    for (const assignment of [...membersOf(tenant)]) this.unassignRole(assignment)
    this.#tenants.delete(key)
    this.#changed('delete', 'tenant', tenant.fact)
    return true
  }

  getTenant (key: string): TenantFact | undefined {
    return this.#tenants.get(key)?.fact
  }

  get tenantCount (): number {
    return this.#tenants.size
  }

  * tenants (): Generator<TenantFact> {
    for (const tenant of this.#tenants.values()) yield tenant.fact
  }

  // Resource instances

  /**
   * Creates the instance, or replaces its attributes. Returns whether it is new.
   *
   * @throws {@link FactsError} `not_found` for a tenant that does not exist; `conflict` when the instance is in another tenant
   */
  upsertResourceInstance (fact: TenantOptional<ResourceInstanceFact>): boolean {
    needKey('resource', fact.resource)
    needKey('resource instance', fact.key)
    if (fact.resource.includes(':')) throw new FactsError('invalid', `resource type '${fact.resource}' contains a colon`)
    const tenant = this.#needTenant(fact.tenant ?? this.instanceNode(fact.resource, fact.key)?.tenant.fact.key ?? DEFAULT_TENANT)
    const complete = { ...fact, tenant: tenant.fact.key }
    return this.adoptResourceInstance(copy<ResourceInstanceFact>(complete, ['resource', 'key', 'tenant', 'attributes']))
  }

  /** @internal Like {@link Facts.upsertResourceInstance}, for a complete fact that no other code changes: it is not copied. */
  adoptResourceInstance (stored: ResourceInstanceFact): boolean {
    const existing = this.instanceNode(stored.resource, stored.key)
    const tenant = this.#needTenant(stored.tenant)
    if (existing === undefined) {
      this.#addInstance(stored, tenant)
    } else {
      this.#sameTenant(existing, tenant)
      const before = existing.fact
      this.#objects.replace(before, stored)
      existing.fact = stored
      this.#changed('set', 'resource_instance', stored, before)
    }
    return existing === undefined
  }

  /** Deletes the instance (`type:key`), the assignments on it and its tuples. Returns whether it existed. */
  deleteResourceInstance (id: string): boolean {
    const instance = this.#findInstance(id)
    if (instance === undefined) return false
    this.#deleteInstance(instance)
    return true
  }

  getResourceInstance (id: string): ResourceInstanceFact | undefined {
    return this.#findInstance(id)?.fact
  }

  * resourceInstances (filter: { readonly resource?: string, readonly tenant?: string } = {}): Generator<ResourceInstanceFact> {
    const { resource, tenant } = filter
    if (tenant !== undefined) {
      for (const { fact } of this.#tenants.get(tenant)?.instances ?? []) {
        if (resource === undefined || fact.resource === resource) yield fact
      }
      return
    }
    const types = resource === undefined ? this.#instances.values() : [this.#instances.get(resource) ?? new Map<string, InstanceNode>()]
    for (const instances of types) {
      for (const { fact } of instances.values()) yield fact
    }
  }

  // Role assignments

  /**
   * Assigns the role to the user, in the tenant or on the instance. Returns whether the assignment is new, or has another end than before.
   *
   * @throws {@link FactsError} `not_found` for a user or tenant that does not exist; `conflict` when the instance is in another tenant;
   * `invalid` for an end that is no time
   */
  assignRole (fact: TenantOptional<RoleAssignmentFact>): boolean {
    needKey('role', fact.role)
    const { expires_at: end } = fact
    const at = end === undefined ? undefined : parseInstant(end)
    if (end !== undefined && at === undefined) {
      throw new FactsError('invalid', `'${String(end)}' is not a time: write '2027-01-31T18:00:00Z', with a zone`)
    }
    // Another end is another assignment.
    const before = end === undefined && this.nextEnd === Infinity ? undefined : this.#assignmentAt(fact)
    if (before !== undefined && before.expires_at !== end) this.unassignRole(before)
    return this.#assign(fact, end, at)
  }

  /** Removes the assignments that have ended at this time, ms since 1970. */
  endAssignments (now: number): void {
    if (now < this.#expiries.next) return
    for (const fact of this.#expiries.take(now)) this.#unassign(fact, fact.expires_at)
  }

  /** When the next assignment ends, ms since 1970; `Infinity` for never. */
  get nextEnd (): number {
    return this.#expiries.next
  }

  #assignmentAt (fact: TenantOptional<RoleAssignmentFact>): RoleAssignmentFact | undefined {
    const tenant = fact.tenant ?? (fact.resource_instance === undefined
      ? DEFAULT_TENANT
      : this.#findInstance(fact.resource_instance)?.tenant.fact.key ?? DEFAULT_TENANT)
    return this.getRoleAssignment({ ...fact, tenant })
  }

  #assign (fact: TenantOptional<RoleAssignmentFact>, end: string | undefined, at: number | undefined): boolean {
    const ends = (assigned: RoleAssignmentFact): RoleAssignmentFact => {
      if (end === undefined || at === undefined) return assigned
      const ending = { ...assigned, expires_at: end }
      this.#expiries.add(ending, end, at)
      return ending
    }
    const user = this.#users.get(fact.user)
    if (user === undefined) throw new FactsError('not_found', `user '${fact.user}' does not exist`)
    if (fact.resource_instance === undefined) {
      const tenant = this.#needTenant(fact.tenant ?? DEFAULT_TENANT)
      const { key } = tenant.fact
      const roles = user.tenantRoles?.get(key)
      if (roles?.includes(fact.role) === true) return false
      if (user.tenantRoles === null) user.tenantRoles = new TenantRoles(key, withRole(roles, fact.role))
      else user.tenantRoles.set(key, withRole(roles, fact.role))
      addToSet(tenant.members, fact.role, user)
      this.#changed('set', 'role_assignment', ends(assignmentFact(user, fact.role, key)))
      return true
    }
    const instance = this.#needInstance(fact.resource_instance, fact.tenant)
    const roles = user.instanceRoles?.get(instance)
    if (roles?.includes(fact.role) === true) return false
    user.instanceRoles ??= new Map()
    user.instanceRoles.set(instance, withRole(roles, fact.role))
    addToSet(instance.holders ??= new Map(), fact.role, user)
    this.#changed('set', 'role_assignment', ends(assignmentFact(user, fact.role, instance.tenant.fact.key, instance)))
    return true
  }

  /** Removes the role from the user. Returns whether the user had it. */
  unassignRole (fact: TenantOptional<RoleAssignmentFact>): boolean {
    return this.#unassign(fact)
  }

  /** @param ended - the end of an assignment that has ended by itself */
  #unassign (fact: TenantOptional<RoleAssignmentFact>, ended?: string): boolean {
    const gone = (assigned: RoleAssignmentFact): void => {
      const end = ended ?? this.#expiries.textOf(assigned)
      this.#expiries.delete(assigned)
      const whole = end === undefined ? assigned : { ...assigned, expires_at: end }
      this.#changed('delete', 'role_assignment', whole, undefined, ended !== undefined)
    }
    const user = this.#users.get(fact.user)
    if (user === undefined) return false
    if (fact.resource_instance === undefined) {
      const tenant = this.#tenants.get(fact.tenant ?? DEFAULT_TENANT)
      const roles = tenant === undefined ? undefined : user.tenantRoles?.get(tenant.fact.key)
      if (tenant === undefined || user.tenantRoles === null || roles?.includes(fact.role) !== true) return false
      const left = withoutRole(roles, fact.role)
      if (left.length > 0) user.tenantRoles.set(tenant.fact.key, left)
      else if (!user.tenantRoles.delete(tenant.fact.key)) user.tenantRoles = null
      removeFromSet(tenant.members, fact.role, user)
      gone(assignmentFact(user, fact.role, tenant.fact.key))
      return true
    }
    const instance = this.#findInstance(fact.resource_instance, fact.tenant)
    const roles = instance === undefined ? undefined : user.instanceRoles?.get(instance)
    if (instance === undefined || user.instanceRoles === null || roles?.includes(fact.role) !== true) return false
    const left = withoutRole(roles, fact.role)
    if (left.length > 0) user.instanceRoles.set(instance, left)
    else user.instanceRoles.delete(instance)
    if (user.instanceRoles.size === 0) user.instanceRoles = null
    instance.holders = removeFromSet(instance.holders, fact.role, user)
    gone(assignmentFact(user, fact.role, instance.tenant.fact.key, instance))
    return true
  }

  /** The assignment, if the user has the role there. */
  getRoleAssignment ({ user, role, tenant, resource_instance: on }: RoleAssignmentFact): RoleAssignmentFact | undefined {
    const node = this.#users.get(user)
    if (node === undefined) return undefined
    if (on === undefined) {
      return node.rolesIn(tenant)?.includes(role) === true ? this.#withEnd(assignmentFact(node, role, tenant)) : undefined
    }
    const instance = this.#findInstance(on, tenant)
    if (instance === undefined || node.instanceRoles?.get(instance)?.includes(role) !== true) return undefined
    return this.#withEnd(assignmentFact(node, role, tenant, instance))
  }

  /** The matching assignments. Uses the most selective index for the filter. */
  * roleAssignments (filter: Partial<RoleAssignmentFact> = {}): Generator<RoleAssignmentFact> {
    for (const assignment of this.roleAssignmentsNear(filter)) {
      if (filter.user !== undefined && assignment.user !== filter.user) continue
      if (filter.role !== undefined && assignment.role !== filter.role) continue
      if (filter.tenant !== undefined && assignment.tenant !== filter.tenant) continue
      if (filter.resource_instance !== undefined && assignment.resource_instance !== filter.resource_instance) continue
      yield assignment
    }
  }

  /** The assignments of a tenant role. */
  * assignmentsOfRole (role: string): Generator<RoleAssignmentFact> {
    for (const tenant of this.#tenants.values()) {
      for (const user of tenant.members.get(role) ?? []) yield this.#withEnd(assignmentFact(user, role, tenant.fact.key))
    }
  }

  /** The assignments of a resource role of a type. */
  * assignmentsOfResourceRole (type: string, role: string): Generator<RoleAssignmentFact> {
    for (const instance of this.instanceNodes(type)) {
      for (const user of instance.holders?.get(role) ?? []) {
        yield this.#withEnd(assignmentFact(user, role, instance.tenant.fact.key, instance))
      }
    }
  }

  /** The tuples with a relation to objects of a type. */
  * tuplesOfRelation (type: string, relation: string): Generator<RelationshipTupleFact> {
    for (const object of this.instanceNodes(type)) {
      for (const subject of object.subjects?.get(relation) ?? []) yield tupleFact(subject, relation, object)
    }
  }

  /** The assignments in the index for the filter; some do not match it. For callers that check them in steps. */
  * roleAssignmentsNear (filter: Partial<RoleAssignmentFact>): Generator<RoleAssignmentFact> {
    for (const assignment of this.#assignmentsNear(filter)) yield this.#withEnd(assignment)
  }

  #withEnd (fact: RoleAssignmentFact): RoleAssignmentFact {
    const end = this.#expiries.textOf(fact)
    return end === undefined ? fact : { ...fact, expires_at: end }
  }

  * #assignmentsNear (filter: Partial<RoleAssignmentFact>): Generator<RoleAssignmentFact> {
    if (filter.user !== undefined) {
      const user = this.#users.get(filter.user)
      if (user !== undefined) yield * assignmentsOf(user)
    } else if (filter.resource_instance !== undefined) {
      const instance = this.#findInstance(filter.resource_instance)
      if (instance !== undefined) yield * holdersOf(instance)
    } else if (filter.tenant !== undefined) {
      const tenant = this.#tenants.get(filter.tenant)
      if (tenant === undefined) return
      yield * membersOf(tenant)
      for (const instance of tenant.instances) yield * holdersOf(instance)
    } else {
      for (const user of this.#users.values()) yield * assignmentsOf(user)
    }
  }

  // Relationship tuples

  /**
   * Links two instances. Returns whether the link is new.
   *
   * @throws {@link FactsError} `not_found` for a tenant that does not exist; `conflict` when the instances are in different tenants
   */
  addRelationshipTuple (fact: TenantOptional<RelationshipTupleFact>): boolean {
    needKey('relation', fact.relation)
    const tenant = fact.tenant ?? (this.#findInstance(fact.subject) ?? this.#findInstance(fact.object))?.tenant.fact.key
    // Checked before either instance is created: a rejected tuple must leave nothing behind.
    const wanted = this.#needTenant(tenant ?? DEFAULT_TENANT)
    for (const id of [fact.subject, fact.object]) {
      parseInstance(id)
      const instance = this.#findInstance(id)
      if (instance !== undefined) this.#sameTenant(instance, wanted)
    }
    const subject = this.#needInstance(fact.subject, wanted.fact.key)
    const object = this.#needInstance(fact.object, wanted.fact.key)
    if (object.subjects?.get(fact.relation)?.has(subject) === true) return false
    addToSet(object.subjects ??= new Map(), fact.relation, subject)
    addToSet(subject.objects ??= new Map(), fact.relation, object)
    this.#changed('set', 'relationship_tuple', tupleFact(subject, fact.relation, object))
    return true
  }

  /** Removes the link between two instances. Returns whether it existed. */
  deleteRelationshipTuple (fact: TenantOptional<RelationshipTupleFact>): boolean {
    const subject = this.#findInstance(fact.subject, fact.tenant)
    const object = this.#findInstance(fact.object, fact.tenant)
    if (subject === undefined || object?.subjects?.get(fact.relation)?.has(subject) !== true) return false
    object.subjects = removeFromSet(object.subjects, fact.relation, subject)
    subject.objects = removeFromSet(subject.objects, fact.relation, object)
    this.#changed('delete', 'relationship_tuple', tupleFact(subject, fact.relation, object))
    return true
  }

  /** The tuple, if the instances are linked. */
  getRelationshipTuple ({ subject, relation, object }: Omit<RelationshipTupleFact, 'tenant'>): RelationshipTupleFact | undefined {
    const from = this.#findInstance(subject)
    const to = this.#findInstance(object)
    return from !== undefined && to?.subjects?.get(relation)?.has(from) === true ? tupleFact(from, relation, to) : undefined
  }

  /** The matching tuples. Uses the most selective index for the filter. */
  * relationshipTuples (filter: Partial<RelationshipTupleFact> = {}): Generator<RelationshipTupleFact> {
    for (const tuple of this.relationshipTuplesNear(filter)) {
      if (filter.subject !== undefined && tuple.subject !== filter.subject) continue
      if (filter.relation !== undefined && tuple.relation !== filter.relation) continue
      if (filter.object !== undefined && tuple.object !== filter.object) continue
      if (filter.tenant !== undefined && tuple.tenant !== filter.tenant) continue
      yield tuple
    }
  }

  /** The tuples in the index for the filter; some do not match it. For callers that check them in steps. */
  * relationshipTuplesNear (filter: Partial<RelationshipTupleFact>): Generator<RelationshipTupleFact> {
    if (filter.subject !== undefined) {
      const subject = this.#findInstance(filter.subject)
      if (subject !== undefined) yield * tuplesFrom(subject)
    } else if (filter.object !== undefined) {
      const object = this.#findInstance(filter.object)
      if (object !== undefined) yield * tuplesTo(object)
    } else if (filter.tenant !== undefined) {
      for (const object of this.#tenants.get(filter.tenant)?.instances ?? []) yield * tuplesTo(object)
    } else {
      for (const instances of this.#instances.values()) {
        for (const object of instances.values()) yield * tuplesTo(object)
      }
    }
  }

  // Read by the engine

  /** @internal */
  userNode (key: string): UserNode | undefined {
    return this.#users.get(key)
  }

  /** @internal */
  tenantNode (key: string): TenantNode | undefined {
    return this.#tenants.get(key)
  }

  /** @internal */
  instanceNode (type: string, key: string): InstanceNode | undefined {
    return this.#instances.get(type)?.get(key)
  }

  /** @internal */
  instanceNodes (type: string): Iterable<InstanceNode> {
    return this.#instances.get(type)?.values() ?? []
  }

  /** @internal Whether an instance of the type has an object in this attribute, or a resource type of its own (`type`). */
  storesObject (type: string, name: string): boolean {
    return this.#objects.has(type, name)
  }

  /** @internal */
  userNodes (): IterableIterator<UserNode> {
    return this.#users.values()
  }

  /** @internal */
  tenantNodes (): IterableIterator<TenantNode> {
    return this.#tenants.values()
  }

  #changed<K extends FactChange['kind']> (
    op: 'set' | 'delete', kind: K, fact: Change<K>['fact'], before?: Change<K>['before'], ended = false
  ): void {
    this.#revision++
    if (op === 'delete' && (kind === 'user' || kind === 'resource_instance')) this.#removals++
    for (const listener of this.#listeners) listener({ op, kind, fact, before, ...(ended ? { ended } : {}) } as FactChange)
  }

  #needTenant (key: string): TenantNode {
    const tenant = this.#tenants.get(key)
    if (tenant === undefined) throw new FactsError('not_found', `tenant '${key}' does not exist`)
    return tenant
  }

  #sameTenant (instance: InstanceNode, tenant: TenantNode): void {
    if (instance.tenant === tenant) return
    const where = `is in tenant '${instance.tenant.fact.key}', not in '${tenant.fact.key}'`
    throw new FactsError('conflict', `resource instance '${instance.id}' ${where}`)
  }

  #findInstance (id: string, tenant?: string): InstanceNode | undefined {
    const { before, after } = splitAtColon(id)
    if (after === undefined) return undefined
    const instance = this.instanceNode(before, after)
    return tenant === undefined || instance?.tenant.fact.key === tenant ? instance : undefined
  }

  #needInstance (id: string, tenant: string | undefined): InstanceNode {
    const { resource, key } = parseInstance(id)
    const instance = this.instanceNode(resource, key)
    if (instance === undefined) {
      const node = this.#needTenant(tenant ?? DEFAULT_TENANT)
      return this.#addInstance({ resource, key, tenant: node.fact.key }, node)
    }
    if (tenant !== undefined) this.#sameTenant(instance, this.#needTenant(tenant))
    return instance
  }

  #addInstance (fact: ResourceInstanceFact, tenant: TenantNode): InstanceNode {
    const node = new InstanceNode(fact, tenant)
    let instances = this.#instances.get(fact.resource)
    if (instances === undefined) this.#instances.set(fact.resource, instances = new Map())
    instances.set(fact.key, node)
    tenant.instances.add(node)
    this.#objects.replace(undefined, fact)
    this.#changed('set', 'resource_instance', fact)
    return node
  }

  #deleteInstance (instance: InstanceNode): void {
    for (const assignment of [...holdersOf(instance)]) this.unassignRole(assignment)
    for (const tuple of [...tuplesTo(instance), ...tuplesFrom(instance)]) this.deleteRelationshipTuple(tuple)
    const instances = this.#instances.get(instance.fact.resource)
    instances?.delete(instance.fact.key)
    if (instances?.size === 0) this.#instances.delete(instance.fact.resource)
    instance.tenant.instances.delete(instance)
    this.#objects.replace(instance.fact, undefined)
    this.#changed('delete', 'resource_instance', instance.fact)
  }
}

function needKey (what: string, key: unknown): void {
  if (typeof key !== 'string' || key === '') throw new FactsError('invalid', `the key of a ${what} must be a non-empty string`)
}

type Change<K extends FactChange['kind']> = Extract<FactChange, { kind: K }>

/** Copies the known properties and the attributes: later changes by the caller must not affect decisions. */
function copy<T extends object> (fact: T, properties: ReadonlyArray<keyof T & string>): T {
  const result: Partial<T> = {}
  for (const property of properties) {
    const value = Object.hasOwn(fact, property) ? fact[property] : undefined
    if (value !== undefined) result[property] = typeof value === 'object' ? clone(value) : value
  }
  return result as T
}

function addToSet<V> (sets: Map<string, Set<V>>, key: string, value: V): void {
  const set = sets.get(key)
  if (set === undefined) sets.set(key, new Set([value]))
  else set.add(value)
}

/** Removes empty sets and maps, so that facts that come and go do not use more and more memory. */
function removeFromSet<V> (sets: Map<string, Set<V>> | null, key: string, value: V): Map<string, Set<V>> | null {
  const set = sets?.get(key)
  set?.delete(value)
  if (set?.size === 0) sets?.delete(key)
  return sets?.size === 0 ? null : sets
}

function assignmentFact (user: UserNode, role: string, tenant: string, instance?: InstanceNode): RoleAssignmentFact {
  const fact = { user: user.fact.key, role, tenant }
  return instance === undefined ? fact : { ...fact, resource_instance: instance.id }
}

function tupleFact (subject: InstanceNode, relation: string, object: InstanceNode): RelationshipTupleFact {
  return { subject: subject.id, relation, object: object.id, tenant: object.tenant.fact.key }
}

function * assignmentsOf (user: UserNode): Generator<RoleAssignmentFact> {
  for (const [tenant, roles] of user.tenantRoles ?? []) {
    for (const role of roles) yield assignmentFact(user, role, tenant)
  }
  for (const [instance, roles] of user.instanceRoles ?? []) {
    for (const role of roles) yield assignmentFact(user, role, instance.tenant.fact.key, instance)
  }
}

function * membersOf (tenant: TenantNode): Generator<RoleAssignmentFact> {
  for (const [role, users] of tenant.members) {
    for (const user of users) yield assignmentFact(user, role, tenant.fact.key)
  }
}

function * holdersOf (instance: InstanceNode): Generator<RoleAssignmentFact> {
  for (const [role, users] of instance.holders ?? []) {
    for (const user of users) yield assignmentFact(user, role, instance.tenant.fact.key, instance)
  }
}

function * tuplesTo (object: InstanceNode): Generator<RelationshipTupleFact> {
  for (const [relation, subjects] of object.subjects ?? []) {
    for (const subject of subjects) yield tupleFact(subject, relation, object)
  }
}

function * tuplesFrom (subject: InstanceNode): Generator<RelationshipTupleFact> {
  for (const [relation, objects] of subject.objects ?? []) {
    for (const object of objects) yield tupleFact(subject, relation, object)
  }
}
