// Facts as tuples of OpenFGA.
import { DEFAULT_TENANT } from '../../engine/facts/fact.js'
import { splitPair } from '../../kit/split-at-colon.js'
import type { Facts } from '../moved-policy.js'
import { nameOf, type Kind, type Path } from '../moved-objects.js'
import type { Refused } from './fga-model.js'
import {
  assignedRelation, memberRelation, policyRelation, resourceObject, TENANT_OF, tenantObject, typeObject, userObject
} from './fga-names.js'

/** A tuple. */
export interface FgaTuple {
  readonly user: string
  readonly relation: string
  readonly object: string
}

/** A tuple, and where a policy file says it. */
export interface PlacedTuple extends FgaTuple {
  readonly path: Path
}

/** The translation of facts. */
export interface TranslatedFacts {
  /** By {@link tupleKey}. */
  readonly tuples: ReadonlyMap<string, PlacedTuple>
  readonly refused: readonly Refused[]
}

/** Identifies a tuple. None of the three parts has a space. */
export function tupleKey ({ user, relation, object }: FgaTuple): string {
  return `${user} ${relation} ${object}`
}

/**
 * Translates facts.
 *
 * @param inTenants - the types with permissions that roles in tenants hold: their objects need their tenant
 */
export function fgaTuples (facts: Facts, inTenants: ReadonlySet<string>): TranslatedFacts {
  const tuples = new Map<string, PlacedTuple>()
  const refused: Refused[] = []
  const add = (kind: Kind, keys: readonly string[], path: Path, user: string | undefined, relation: string, object: string | undefined) => {
    if (user === undefined || object === undefined) {
      refused.push({ name: nameOf({ kind, keys }), reason: 'a key is too long for OpenFGA, or is not valid Unicode', path })
    } else {
      const tuple = { user, relation, object, path }
      tuples.set(tupleKey(tuple), tuple)
    }
  }
  const tenantsOf = new Map(facts.instances.map(({ resource, key, tenant }) => [`${resource}:${key}`, tenant]))
  const instance = (id: string, tenant: string): string | undefined => {
    const { before: type = '', after: key = '' } = splitPair(id) ?? {}
    return resourceObject(type, tenantsOf.get(id) ?? tenant, key)
  }
  // The tenant `default` always exists.
  for (const key of new Set([...facts.tenants.map(({ key }) => key), DEFAULT_TENANT])) {
    for (const type of inTenants) add('tenant', [key], ['tenants', key], tenantObject(key), TENANT_OF, typeObject(type, key))
  }
  for (const [index, { resource, key, tenant }] of facts.instances.entries()) {
    if (!inTenants.has(resource)) continue
    const object = resourceObject(resource, tenant, key)
    add('resource_instance', [resource, key], ['resource_instances', index], tenantObject(tenant), TENANT_OF, object)
  }
  for (const [index, { user, role, tenant, resource_instance: on }] of facts.assignments.entries()) {
    const relation = on === undefined ? memberRelation(role) : assignedRelation(role)
    const object = on === undefined ? tenantObject(tenant) : instance(on, tenant)
    add('role_assignment', [user, role, tenant, on ?? ''], ['role_assignments', index], userObject(user), relation, object)
  }
  for (const [index, { subject, relation, object, tenant }] of facts.tuples.entries()) {
    add('relationship_tuple', [subject, relation, object], ['relationship_tuples', index],
      instance(subject, tenant), policyRelation(relation), instance(object, tenant))
  }
  return { tuples, refused }
}
