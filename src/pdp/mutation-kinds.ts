// Every kind of fact mutation in one table: its data, whose decisions it can change, and how each kind of PDP writes it.
import { PdpError, UnsupportedError } from '../contract/errors.js'
import { FactsError } from '../engine/facts/fact.js'
import type {
  RelationshipTupleFact, ResourceInstanceFact, RoleAssignmentFact, TenantFact, TenantOptional, UserFact
} from '../engine/facts/fact.js'
import type { InitialRole, MutationResult } from '../contract/mutation-result.js'
import type { FactWriter } from '../environment/environment.js'

/** One write, with the names of Permit's wire format: validated, copied and immutable. */
export type FactMutation =
  | { readonly kind: 'syncUser', readonly user: UserFact, readonly roles: readonly InitialRole[] }
  | { readonly kind: 'deleteUser', readonly user: string }
  | { readonly kind: 'createTenant', readonly tenant: TenantFact }
  | { readonly kind: 'deleteTenant', readonly tenant: string }
  | { readonly kind: 'assignRole', readonly assignment: TenantOptional<RoleAssignmentFact> }
  | { readonly kind: 'unassignRole', readonly assignment: TenantOptional<RoleAssignmentFact> }
  | { readonly kind: 'createResourceInstance', readonly instance: ResourceInstanceFact }
  /** `type:key`. */
  | { readonly kind: 'deleteResourceInstance', readonly instance: string }
  | { readonly kind: 'createRelationshipTuple', readonly tuple: TenantOptional<RelationshipTupleFact> }
  | { readonly kind: 'deleteRelationshipTuple', readonly tuple: TenantOptional<RelationshipTupleFact> }

/** Writes facts. */
export interface FactsApi {
  /**
   * Applies one write, and resolves when the PDP uses it in decisions. A write that may have been applied is never retried.
   * @throws {@link PartlyAppliedError} when some of it was applied
   */
  apply (mutation: FactMutation): Promise<MutationResult>
}

type Status = MutationResult['status']
type Kind = FactMutation['kind']
type Of<K extends Kind> = Extract<FactMutation, { readonly kind: K }>

/** The writes that Permit's `/facts` API offers. The paths begin after `/facts`. */
interface PermitFactsClient {
  /** POST. `unchanged` when it exists already. */
  create (path: string, body: object): Promise<MutationResult>
  /** DELETE. `unchanged` when it does not exist. */
  remove (path: string, body?: object): Promise<MutationResult>
  syncUser (user: UserFact, roles: readonly InitialRole[]): Promise<MutationResult>
  createInstance (instance: ResourceInstanceFact): Promise<MutationResult>
}

/** What a kind of mutation does. */
interface MutationKind<K extends Kind> {
  /** The only user whose decisions it can change. Without this, it can change those of all users. */
  readonly user?: (mutation: Of<K>) => string
  /** Writes it to the facts of the embedded PDP. */
  readonly embedded: (facts: FactWriter, mutation: Of<K>) => Status
  /** Writes it through Permit's `/facts` API. */
  readonly permit: (facts: PermitFactsClient, mutation: Of<K>) => Promise<MutationResult>
}

const KINDS: { readonly [K in Kind]: MutationKind<K> } = {
  syncUser: {
    user: ({ user }) => user.key,
    embedded: (facts, { user, roles }) => facts.syncUser(user, roles).status,
    permit: (facts, { user, roles }) => facts.syncUser(user, roles)
  },
  deleteUser: {
    user: ({ user }) => user,
    embedded: (facts, { user }) => unlessAbsent(() => facts.deleteUser(user).status),
    permit: (facts, { user }) => facts.remove(`/users/${segment(user)}`)
  },
  createTenant: {
    embedded: (facts, { tenant }) => unlessThere(() => facts.createTenant(tenant).status),
    // Permit requires a name.
    permit: (facts, { tenant }) => facts.create('/tenants', { name: tenant.key, ...tenant })
  },
  deleteTenant: {
    embedded: (facts, { tenant }) => unlessAbsent(() => facts.deleteTenant(tenant).status),
    permit: (facts, { tenant }) => facts.remove(`/tenants/${segment(tenant)}`)
  },
  assignRole: {
    user: ({ assignment }) => assignment.user,
    embedded: (facts, { assignment }) => facts.assignRole(assignment).status,
    permit: (facts, { assignment }) => {
      // A PDP that ignored the end would give the role forever.
      if (assignment.expires_at !== undefined) {
        const hint = 'Use the embedded PDP, or unassign the role in time'
        throw new UnsupportedError(`Permit has no role assignments with an end (expiresAt). ${hint}`)
      }
      return facts.create('/role_assignments', assignment)
    }
  },
  unassignRole: {
    user: ({ assignment }) => assignment.user,
    embedded: (facts, { assignment }) => unlessAbsent(() => facts.unassignRole(assignment).status),
    permit: (facts, { assignment }) => facts.remove('/role_assignments', assignment)
  },
  createResourceInstance: {
    embedded: (facts, { instance }) => createInstance(facts, instance),
    permit: (facts, { instance }) => facts.createInstance(instance)
  },
  deleteResourceInstance: {
    embedded: (facts, { instance }) => unlessAbsent(() => facts.deleteResourceInstance(instance).status),
    permit: (facts, { instance }) => facts.remove(`/resource_instances/${segment(instance)}`)
  },
  createRelationshipTuple: {
    embedded: (facts, { tuple }) => facts.createRelationshipTuple(tuple).status,
    permit: (facts, { tuple }) => facts.create('/relationship_tuples', tuple)
  },
  deleteRelationshipTuple: {
    embedded: (facts, { tuple }) => unlessAbsent(() => facts.deleteRelationshipTuple(tuple).status),
    permit: (facts, { tuple }) => facts.remove('/relationship_tuples', tuple)
  }
}

/** What this mutation does, by its kind. */
export function kindOfMutation ({ kind }: FactMutation): MutationKind<Kind> {
  return KINDS[kind] as MutationKind<Kind>
}

/** A key as one path segment. */
export function segment (key: string): string {
  // Servers and proxies resolve these as relative path segments, percent-encoded or not.
  if (key === '.' || key === '..') throw new PdpError('status', `'${key}' cannot be used as a key in Permit's API`)
  return encodeURIComponent(key)
}

/** An existing instance stays as it is, but only in the same tenant. */
function createInstance (facts: FactWriter, instance: ResourceInstanceFact): Status {
  const id = `${instance.resource}:${instance.key}`
  const known = facts.find('resource_instance', id)
  if (known !== undefined && known.tenant !== instance.tenant) {
    throw new FactsError('conflict', `resource instance '${id}' is in tenant '${known.tenant}', not in '${instance.tenant}'`)
  }
  return unlessThere(() => facts.createResourceInstance(instance).status)
}

function unlessThere (create: () => Status): Status {
  return unchangedOn('conflict', create)
}

function unlessAbsent (remove: () => Status): Status {
  return unchangedOn('not_found', remove)
}

/** Writes are idempotent: what exists already, or is gone already, is no error. */
function unchangedOn (code: FactsError['code'], write: () => Status): Status {
  try {
    return write()
  } catch (error) {
    if (error instanceof FactsError && error.code === code) return 'unchanged'
    throw error
  }
}
