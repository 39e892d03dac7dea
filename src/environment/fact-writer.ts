// Writes facts of an environment. Each write is checked against the schema and the existing facts.
import { isDeepStrictEqual } from 'node:util'
import { type Facts } from '../engine/facts/facts.js'
import {
  DEFAULT_TENANT, FactsError, parseInstance, type RelationshipTupleFact, type ResourceInstanceFact, type RoleAssignmentFact,
  type TenantFact, type TenantOptional, type UserFact
} from '../engine/facts/fact.js'
import { readJson } from '../kit/read-json.js'
import { factKey, type EntityKind, type MetadataStore, type LinkKind, type Metadata, type ObjectKind } from './object-metadata.js'
import type { SchemaDocument } from './environment-schema.js'

/** A fact with its id and timestamps. */
export type Stored<F> = F & Metadata

/** The result of a write, and the fact after it; for a deletion, the deleted fact. */
interface Written<F, S extends string = 'created' | 'updated' | 'unchanged'> {
  readonly status: S
  readonly fact: Stored<F>
}

/** An initial role of a new user; default tenant: `default`. */
interface InitialRoleInput {
  readonly role: string
  readonly tenant?: string
}

/** The properties to replace. Missing properties do not change; `undefined` and `null` remove a property. */
type Patch<F, K extends keyof F> = { readonly [P in Exclude<keyof F, K>]?: F[P] | null }

/** The facts by kind. */
export interface FactOf {
  user: UserFact
  tenant: TenantFact
  resource_instance: ResourceInstanceFact
  role_assignment: RoleAssignmentFact
  relationship_tuple: RelationshipTupleFact
}

/** What a writer needs. */
interface WriterScope {
  readonly facts: Facts
  readonly metadata: MetadataStore
  readonly schema: SchemaDocument
}

/**
 * Writes facts within one `Environment.write`. Each method either does everything that it says, or throws and changes nothing.
 *
 * Users, tenants, roles and instances can be named by key or by id. All methods throw `FactsError`: `not_found` for something that does
 * not exist, `conflict` for something that exists already or contradicts existing facts, `invalid` for malformed input.
 */
export class FactWriter {
  readonly #scope: WriterScope
  #closed = false

  constructor (scope: WriterScope) {
    this.#scope = scope
  }

  /** Finds a fact by its key or id, including changes of this write. The key of a resource instance is `type:key`. */
  find<K extends EntityKind> (kind: K, keyOrId: string): Stored<FactOf[K]> | undefined {
    const key = this.#metadata.resolve(kind, keyOrId)
    return key === undefined ? undefined : this.#stored(kind, this.#metadata.get(kind, key)?.fact as FactOf[K])
  }

  // Users

  /** Creates the user with the initial roles, or replaces the attributes of an existing user. Then `roles` is ignored, and roles stay. */
  syncUser (user: UserFact, roles: readonly InitialRoleInput[] = []): Written<UserFact> {
    const known = this.#facts.getUser(user.key)
    if (known === undefined) return this.createUser(user, roles)
    const next = json(user)
    return this.#upsert('user', next, known, () => this.#facts.upsertUser(next))
  }

  /** @throws `FactsError` `conflict` when the user exists */
  createUser (user: UserFact, roles: readonly InitialRoleInput[] = []): Written<UserFact, 'created'> {
    if (this.#facts.getUser(user.key) !== undefined) throw new FactsError('conflict', `user '${user.key}' already exists`)
    // Checked before the user is created: a user without the requested roles must not be left behind.
    for (const { role, tenant = DEFAULT_TENANT } of roles) {
      this.#needRole(role)
      this.#need('tenant', tenant)
    }
    this.#facts.upsertUser(json(user))
    for (const { role, tenant } of roles) this.assignRole({ user: user.key, role, tenant })
    return { status: 'created', fact: this.#stored('user', this.#facts.getUser(user.key) as UserFact) }
  }

  updateUser (user: string, patch: Patch<UserFact, 'key'>): Written<UserFact> {
    const known = this.#facts.getUser(this.#need('user', user)) as UserFact
    const next = patched<UserFact>(known, patch)
    return this.#upsert('user', next, known, () => this.#facts.upsertUser(next))
  }

  /** Deletes the user and all roles of the user. */
  deleteUser (user: string): Written<UserFact, 'deleted'> {
    const key = this.#need('user', user)
    return this.#delete('user', this.#facts.getUser(key) as UserFact, () => this.#facts.deleteUser(key))
  }

  // Tenants

  /** @throws `FactsError` `conflict` when the tenant exists; `default` always exists */
  createTenant (tenant: TenantFact): Written<TenantFact, 'created'> {
    if (this.#facts.getTenant(tenant.key) !== undefined) throw new FactsError('conflict', `tenant '${tenant.key}' already exists`)
    this.#facts.upsertTenant(json(tenant))
    return { status: 'created', fact: this.#stored('tenant', this.#facts.getTenant(tenant.key) as TenantFact) }
  }

  updateTenant (tenant: string, patch: Patch<TenantFact, 'key'>): Written<TenantFact> {
    const known = this.#facts.getTenant(this.#need('tenant', tenant)) as TenantFact
    const next = patched<TenantFact>(known, patch)
    return this.#upsert('tenant', next, known, () => this.#facts.upsertTenant(next))
  }

  /**
   * Deletes the tenant, the roles in it, and its resource instances with their roles and tuples.
   * @throws `FactsError` `conflict` for `default`
   */
  deleteTenant (tenant: string): Written<TenantFact, 'deleted'> {
    const key = this.#need('tenant', tenant)
    return this.#delete('tenant', this.#facts.getTenant(key) as TenantFact, () => this.#facts.deleteTenant(key))
  }

  // Resource instances

  /** @throws `FactsError` `conflict` when the instance exists */
  createResourceInstance (instance: TenantOptional<ResourceInstanceFact>): Written<ResourceInstanceFact, 'created'> {
    const resource = this.#needType(instance.resource)
    const tenant = this.#need('tenant', instance.tenant ?? DEFAULT_TENANT)
    const id = `${resource}:${instance.key}`
    if (this.#facts.getResourceInstance(id) !== undefined) {
      throw new FactsError('conflict', `resource instance '${id}' already exists`)
    }
    this.#facts.upsertResourceInstance({ ...json(instance), resource, tenant })
    return { status: 'created', fact: this.#stored('resource_instance', this.#facts.getResourceInstance(id) as ResourceInstanceFact) }
  }

  /** @param instance - `type:key`, or the id */
  updateResourceInstance (
    instance: string, patch: { readonly attributes?: ResourceInstanceFact['attributes'] | null }
  ): Written<ResourceInstanceFact> {
    const known = this.#facts.getResourceInstance(this.#need('resource_instance', instance)) as ResourceInstanceFact
    const next = patched<ResourceInstanceFact>(known, patch)
    return this.#upsert('resource_instance', next, known, () => this.#facts.upsertResourceInstance(next))
  }

  /** Deletes the instance (`type:key`, or the id), the roles on it and its tuples. */
  deleteResourceInstance (instance: string): Written<ResourceInstanceFact, 'deleted'> {
    const id = this.#need('resource_instance', instance)
    const known = this.#facts.getResourceInstance(id) as ResourceInstanceFact
    return this.#delete('resource_instance', known, () => this.#facts.deleteResourceInstance(id))
  }

  // Role assignments

  /**
   * Assigns a role in a tenant, or a role of the resource type on an instance. A missing instance is created. The result is `unchanged`
   * when the user already has the role, with the same end.
   */
  assignRole (assignment: TenantOptional<RoleAssignmentFact>): Written<RoleAssignmentFact, 'created' | 'unchanged'> {
    const fact = this.#assignment(assignment)
    const status = this.#facts.assignRole(fact) ? 'created' : 'unchanged'
    return { status, fact: this.#stored('role_assignment', this.#completeAssignment(fact)) }
  }

  /** @throws `FactsError` `not_found` when the user does not have the role */
  unassignRole (assignment: TenantOptional<RoleAssignmentFact>): Written<RoleAssignmentFact, 'deleted'> {
    const { user, role, tenant, resource_instance: on } = assignment
    const wanted = {
      user: this.#need('user', user),
      // A role that is no longer in the schema can still be removed.
      role: this.#resolve(on === undefined ? 'role' : 'resource_role', role, on),
      tenant: tenant === undefined && on !== undefined ? undefined : this.#need('tenant', tenant ?? DEFAULT_TENANT),
      resource_instance: on === undefined ? undefined : this.#need('resource_instance', on)
    }
    const known = this.#completeAssignment(wanted)
    if (this.#metadata.get('role_assignment', factKey({ kind: 'role_assignment', fact: known })) === undefined) {
      const where = on === undefined ? `in tenant '${known.tenant}'` : `on '${on}'`
      throw new FactsError('not_found', `user '${known.user}' does not have the role '${known.role}' ${where}`)
    }
    return this.#delete('role_assignment', known, () => this.#facts.unassignRole(known))
  }

  // Relationship tuples

  /** Links two instances. Missing instances are created. The result is `unchanged` when the link exists already. */
  createRelationshipTuple (tuple: TenantOptional<RelationshipTupleFact>): Written<RelationshipTupleFact, 'created' | 'unchanged'> {
    const fact = this.#tuple(tuple)
    const { resource: subjectType } = parseInstance(fact.subject)
    const { resource: objectType } = parseInstance(fact.object)
    this.#needType(subjectType)
    const relation = own(own(this.#scope.schema.resources, this.#needType(objectType))?.relations, fact.relation)
    if (relation === undefined) throw new FactsError('not_found', `resource type '${objectType}' has no relation '${fact.relation}'`)
    const wanted = typeof relation === 'string' ? relation : relation.subject_resource
    if (wanted !== subjectType) {
      throw new FactsError('invalid', `relation '${fact.relation}' of '${objectType}' links a '${wanted}', not a '${subjectType}'`)
    }
    const status = this.#facts.addRelationshipTuple(fact) ? 'created' : 'unchanged'
    return { status, fact: this.#stored('relationship_tuple', { ...fact, tenant: this.#tenantOf(fact.object) }) }
  }

  /** @throws `FactsError` `not_found` when the link does not exist */
  deleteRelationshipTuple (tuple: TenantOptional<RelationshipTupleFact>): Written<RelationshipTupleFact, 'deleted'> {
    const fact = this.#tuple(tuple)
    const known = { ...fact, tenant: fact.tenant ?? this.#tenantOf(fact.object) }
    const exists = this.#metadata.get('relationship_tuple', factKey({ kind: 'relationship_tuple', fact: known })) !== undefined
    if (!exists || known.tenant !== this.#tenantOf(fact.object)) {
      throw new FactsError('not_found', `'${fact.subject}' is not '${fact.relation}' of '${fact.object}'`)
    }
    return this.#delete('relationship_tuple', known, () => this.#facts.deleteRelationshipTuple(known))
  }

  /** @internal Ends the writer: code that keeps it after its `write` must not write outside of a transaction. */
  close (): void {
    this.#closed = true
  }

  get #facts (): Facts {
    if (this.#closed) throw new Error('the fact writer was used after its write had ended: a write must be synchronous')
    return this.#scope.facts
  }

  get #metadata (): MetadataStore {
    return this.#scope.metadata
  }

  #upsert<K extends EntityKind> (kind: K, next: FactOf[K], known: FactOf[K], upsert: () => void): Written<FactOf[K]> {
    if (isDeepStrictEqual(next, known)) return { status: 'unchanged', fact: this.#stored(kind, known) }
    upsert()
    return { status: 'updated', fact: this.#stored(kind, next) }
  }

  #delete<K extends EntityKind | LinkKind> (kind: K, known: FactOf[K], remove: () => void): Written<FactOf[K], 'deleted'> {
    const fact = this.#stored(kind, known)
    remove()
    return { status: 'deleted', fact }
  }

  #stored<K extends EntityKind | LinkKind> (kind: K, fact: FactOf[K]): Stored<FactOf[K]> {
    return stored(this.#metadata, kind, fact)
  }

  #assignment (
    { user, role, tenant, resource_instance: on, expires_at: end }: TenantOptional<RoleAssignmentFact>
  ): TenantOptional<RoleAssignmentFact> {
    const where = {
      ...(tenant === undefined ? {} : { tenant: this.#need('tenant', tenant) }),
      ...(end === undefined ? {} : { expires_at: end })
    }
    if (on === undefined) return { user: this.#need('user', user), role: this.#needRole(role), ...where }
    const instance = this.#resolve('resource_instance', on)
    const { resource } = parseInstance(instance)
    this.#needType(resource)
    const key = this.#resolve('resource_role', role, instance)
    if (own(own(this.#scope.schema.resources, resource)?.roles, key) === undefined) {
      throw new FactsError('not_found', `resource type '${resource}' has no role '${role}'`)
    }
    return { user: this.#need('user', user), role: key, resource_instance: instance, ...where }
  }

  #completeAssignment (fact: TenantOptional<RoleAssignmentFact>): RoleAssignmentFact {
    const { user, role, tenant, resource_instance: on, expires_at: end } = fact
    const ends = end === undefined ? {} : { expires_at: end }
    return on === undefined
      ? { user, role, tenant: tenant ?? DEFAULT_TENANT, ...ends }
      : { user, role, tenant: tenant ?? this.#tenantOf(on), resource_instance: on, ...ends }
  }

  #tuple ({ subject, relation, object, tenant }: TenantOptional<RelationshipTupleFact>): TenantOptional<RelationshipTupleFact> {
    return {
      subject: this.#resolve('resource_instance', subject),
      relation,
      object: this.#resolve('resource_instance', object),
      ...(tenant === undefined ? {} : { tenant: this.#need('tenant', tenant) })
    }
  }

  #tenantOf (instance: string): string {
    return this.#facts.getResourceInstance(instance)?.tenant ?? DEFAULT_TENANT
  }

  #need (kind: EntityKind, keyOrId: string): string {
    const key = this.#metadata.resolve(kind, keyOrId)
    if (key === undefined) throw new FactsError('not_found', `${kind.replace('_', ' ')} '${keyOrId}' does not exist`)
    return key
  }

  #needRole (keyOrId: string): string {
    const key = this.#metadata.resolve('role', keyOrId)
    if (key === undefined) throw new FactsError('not_found', `role '${keyOrId}' does not exist`)
    return key
  }

  #needType (keyOrId: string): string {
    const key = this.#metadata.resolve('resource', keyOrId)
    if (key === undefined) throw new FactsError('not_found', `resource type '${keyOrId}' does not exist`)
    return key
  }

  /** Returns the key for a key or an id, and any other text as it is. A resource role must belong to the type of `instance`. */
  #resolve (kind: ObjectKind, keyOrId: string, instance?: string): string {
    if (kind !== 'resource_role') return this.#metadata.resolve(kind, keyOrId) ?? keyOrId
    const { resource } = parseInstance(this.#resolve('resource_instance', instance ?? ''))
    const found = this.#metadata.resolve(kind, keyOrId)
    return found?.startsWith(`${resource}:`) === true && found !== keyOrId ? found.slice(resource.length + 1) : keyOrId
  }
}

/** The fact with its id and timestamps from the metadata. */
export function stored<K extends EntityKind | LinkKind> (metadata: MetadataStore, kind: K, fact: FactOf[K]): Stored<FactOf[K]> {
  const entry = metadata.get(kind, factKey({ kind, fact }))
  if (entry === undefined) throw new Error(`the metadata has no ${kind} '${factKey({ kind, fact })}'`)
  return { ...fact, id: entry.id, created_at: entry.created_at, updated_at: entry.updated_at }
}

function own<T> (values: Readonly<Record<string, T>> | undefined, key: string): T | undefined {
  return values !== undefined && Object.hasOwn(values, key) ? values[key] : undefined
}

function patched<F extends object> (known: F, patch: object): F {
  // `JSON.stringify` drops `undefined`, which must remove a property as `null` does.
  const nulls = JSON.stringify(patch, (key, value: unknown) => key !== '' && value === undefined ? null : value)
  return compact({ ...known, ...readJson(nulls) as object }) as F
}

/** The fact without properties that are `undefined` or `null`. */
function compact<F extends object> (fact: F): F {
  return Object.fromEntries(Object.entries(fact).filter(([, value]) => value !== undefined && value !== null)) as F
}

/** A copy as JSON has it: a fact must be the same after it was read back from disk. */
function json<T extends object> (value: T): T {
  try {
    return compact(readJson(JSON.stringify(value)) as T)
  } catch {
    throw new FactsError('invalid', 'the attributes cannot be serialized as JSON')
  }
}
