// Converts facts to the format of the REST API. What was written is converted within its write: another write, or the end of a role, may
// have removed it by the time that the write is durable.
import type { Static } from 'typebox'
import { notFound } from '../../http/error-responses.js'
import { MAX_RELATIONSHIPS } from './fact-shapes.js'
import { commonFields } from '../common-fields.js'
import type {
  AssignmentDetailedRead, AssignmentRead, InstanceDetailedRead, InstanceRead, TenantRead, TupleDetailedRead, TupleRead, UserRead
} from './fact-shapes.js'
import {
  parseInstance, type RelationshipTupleFact, type ResourceInstanceFact, type RoleAssignmentFact, type TenantFact, type UserFact
} from '../../../engine/facts/fact.js'
import type { EntityKind, Environment, FactOf, ObjectKind, Stored } from '../../../environment/environment.js'

/**
 * Returns the key of an existing entity, given its key or its id.
 *
 * @throws 404
 */
export function keyOf (environment: Environment, kind: EntityKind, given: string): string {
  return environment.resolve(kind, given) ?? fail(kind, given)
}

type AssociatedTenant = Static<typeof UserRead>['associated_tenants'][number]

/**
 * A user, with the user's roles in tenants.
 * @param withInstances - whether to include the roles on resource instances, by the instance's tenant
 */
export function userView (environment: Environment, user: UserFact, withInstances = false): Static<typeof UserRead> {
  const { key, email, first_name: firstName, last_name: lastName, attributes = {} } = user
  const roles: Array<{ role: string, tenant: string }> = []
  const tenants = new Map<string, AssociatedTenant>()
  const associated = (tenant: string): AssociatedTenant => {
    const known = tenants.get(tenant) ?? { tenant, roles: [], status: 'active', ...(withInstances ? { resource_instance_roles: [] } : {}) }
    tenants.set(tenant, known)
    return known
  }
  for (const { role, tenant, resource_instance: on } of environment.engine.facts.roleAssignments({ user: key })) {
    if (on === undefined) {
      roles.push({ role, tenant })
      associated(tenant).roles.push(role)
    } else if (withInstances) {
      const { resource, key } = parseInstance(on)
      associated(tenant).resource_instance_roles?.push({ resource, resource_instance: key, role })
    }
  }
  return {
    key,
    email,
    first_name: firstName,
    last_name: lastName,
    attributes,
    roles,
    associated_tenants: [...tenants.values()],
    ...commonFields(environment.stored('user', user))
  }
}

/** A tenant. */
export function tenantView (environment: Environment, tenant: TenantFact): Static<typeof TenantRead> {
  // As in Permit's API: the attributes of a tenant default to `null`, those of a user to an empty object.
  const { key, name = key, description, attributes = null } = tenant
  const stamps = commonFields(environment.stored('tenant', tenant))
  return { key, name, description, attributes, last_action_at: stamps.updated_at, ...stamps }
}

/** A resource instance. */
export function instanceView (environment: Environment, instance: ResourceInstanceFact): Static<typeof InstanceRead> {
  const { key, resource, tenant, attributes = {} } = instance
  return {
    key,
    resource,
    tenant,
    attributes,
    resource_id: idOf(environment, 'resource', resource),
    tenant_id: idOf(environment, 'tenant', tenant),
    ...commonFields(environment.stored('resource_instance', instance))
  }
}

/** A resource instance, with the tuples in which it is the subject: each tuple is listed once, with one instance. */
export function instanceDetailedView (environment: Environment, instance: ResourceInstanceFact): Static<typeof InstanceDetailedRead> {
  const relationships: Array<{ subject: string, relation: string, object: string }> = []
  const self = `${instance.resource}:${instance.key}`
  for (const { subject, relation, object } of environment.engine.facts.relationshipTuples({ subject: self })) {
    relationships.push({ subject, relation, object })
    if (relationships.length === MAX_RELATIONSHIPS) break
  }
  return { ...instanceView(environment, instance), relationships }
}

/** A role assignment. */
export function assignmentView (environment: Environment, assignment: RoleAssignmentFact): Static<typeof AssignmentRead> {
  const { user, role, tenant, resource_instance: on } = assignment
  return {
    user,
    role,
    tenant,
    user_id: idOf(environment, 'user', user),
    role_id: roleIdOf(environment, assignment),
    tenant_id: idOf(environment, 'tenant', tenant),
    ...(on === undefined ? {} : { resource_instance: on, resource_instance_id: idOf(environment, 'resource_instance', on) }),
    ...(assignment.expires_at === undefined ? {} : { expires_at: assignment.expires_at }),
    ...commonFields(environment.stored('role_assignment', assignment))
  }
}

/** A role assignment, with the objects that it refers to. */
export function assignmentDetailedView (environment: Environment, assignment: RoleAssignmentFact): Static<typeof AssignmentDetailedRead> {
  const { role: roleKey, resource_instance: on } = assignment
  const { resources, roles } = environment.schema
  const role = on === undefined ? roles[roleKey] : resources[parseInstance(on).resource]?.roles?.[roleKey]
  const user = entity(environment, 'user', assignment.user)
  const tenant = entity(environment, 'tenant', assignment.tenant)
  const instance = on === undefined ? undefined : entity(environment, 'resource_instance', on)
  const { id, email, first_name: firstName, last_name: lastName } = user
  return {
    user: { id, key: user.key, email, first_name: firstName, last_name: lastName, attributes: { ...user.attributes } },
    role: { id: roleIdOf(environment, assignment), key: roleKey, name: role?.name ?? roleKey, permissions: role?.permissions ?? [] },
    tenant: { id: tenant.id, key: tenant.key, name: tenant.name ?? tenant.key, attributes: { ...tenant.attributes } },
    ...(instance === undefined ? {} : { resource_instance: namedInstance(instance) }),
    ...commonFields(environment.stored('role_assignment', assignment))
  }
}

function namedInstance ({ id, key, resource, attributes }: Stored<ResourceInstanceFact>) {
  return { id, key, resource, attributes: { ...attributes } }
}

/** A relationship tuple. */
export function tupleView (environment: Environment, tuple: RelationshipTupleFact): Static<typeof TupleRead> {
  const { subject, relation, object, tenant } = tuple
  return {
    subject,
    relation,
    object,
    tenant,
    subject_id: idOf(environment, 'resource_instance', subject),
    relation_id: idOf(environment, 'relation', `${parseInstance(object).resource}:${relation}`),
    object_id: idOf(environment, 'resource_instance', object),
    tenant_id: idOf(environment, 'tenant', tenant),
    ...commonFields(environment.stored('relationship_tuple', tuple))
  }
}

/** A relationship tuple, with what it names. */
export function tupleDetailedView (environment: Environment, tuple: RelationshipTupleFact): Static<typeof TupleDetailedRead> {
  const relation = environment.schema.resources[parseInstance(tuple.object).resource]?.relations?.[tuple.relation]
  const { name = tuple.relation, description } = typeof relation === 'object' ? relation : {}
  const tenant = entity(environment, 'tenant', tuple.tenant)
  return {
    ...tupleView(environment, tuple),
    subject_details: instanceBlock(environment, tuple.subject),
    relation_details: { key: tuple.relation, name, description },
    object_details: instanceBlock(environment, tuple.object),
    tenant_details: {
      key: tenant.key,
      name: tenant.name ?? tenant.key,
      description: tenant.description,
      attributes: { ...tenant.attributes }
    }
  }
}

function instanceBlock (environment: Environment, id: string) {
  const { key, tenant, resource, attributes } = entity(environment, 'resource_instance', id)
  return { key, tenant, resource, attributes: { ...attributes } }
}

function entity<K extends EntityKind> (environment: Environment, kind: K, key: string): Stored<FactOf[K]> {
  return environment.get(kind, key) ?? fail(kind, key)
}

function roleIdOf (environment: Environment, { role, resource_instance: on }: RoleAssignmentFact): string {
  return on === undefined ? idOf(environment, 'role', role) : idOf(environment, 'resource_role', `${parseInstance(on).resource}:${role}`)
}

function idOf (environment: Environment, kind: ObjectKind, key: string): string {
  // A new policy file may remove objects that stored facts still refer to. Such facts can still be read.
  return environment.metadata(kind, key)?.id ?? ''
}

function fail (kind: EntityKind, given: string): never {
  throw notFound(`${kind.replace('_', ' ')} '${given}'`)
}
