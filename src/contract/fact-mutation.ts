// Writing facts, whatever PDP has them: what can be written, and the interface to whoever does.
import type { RelationshipTupleFact, ResourceInstanceFact, RoleAssignmentFact, TenantFact, TenantOptional, UserFact } from '../engine/facts/fact.js'

/** A role that a new user gets. */
export interface InitialRole {
  readonly role: string
  /** The tenant, `default` unless told. */
  readonly tenant: string
}

/** One write, with the names of Permit's wire: checked, copied, and no one's to change. */
export type FactMutation =
  | { readonly kind: 'syncUser', readonly user: UserFact, readonly roles: readonly InitialRole[] }
  | { readonly kind: 'deleteUser', readonly user: string }
  | { readonly kind: 'createTenant', readonly tenant: TenantFact }
  | { readonly kind: 'deleteTenant', readonly tenant: string }
  | { readonly kind: 'assignRole' | 'unassignRole', readonly assignment: TenantOptional<RoleAssignmentFact> }
  | { readonly kind: 'createResourceInstance', readonly instance: ResourceInstanceFact }
  /** `type:key`. */
  | { readonly kind: 'deleteResourceInstance', readonly instance: string }
  | { readonly kind: 'createRelationshipTuple' | 'deleteRelationshipTuple', readonly tuple: TenantOptional<RelationshipTupleFact> }

/**
 * What a write did. `unchanged`: what it wanted was so already. A PDP over HTTP does not always tell: there `created` may also be
 * said of what was there, and `updated` of a user who is as before.
 */
export interface MutationResult {
  readonly status: 'created' | 'updated' | 'deleted' | 'unchanged'
}

/** Writes facts. */
export interface FactsApi {
  /**
   * Makes one write, and resolves when the PDP decides by it. Never tries twice what may have been applied.
   * @throws {@link PartlyAppliedError} when some of it was applied
   */
  apply (mutation: FactMutation): Promise<MutationResult>
}

/** A write of which some was applied before the rest failed, which is the `cause`. */
export class PartlyAppliedError extends Error {
  override readonly name = 'PartlyAppliedError'
  readonly applied: PartlyApplied

  constructor (applied: PartlyApplied, cause: unknown) {
    super('some of the write was applied', { cause })
    this.applied = applied
  }
}

/** A new user who was created but did not get all of the initial roles. */
export interface PartlyApplied {
  readonly status: 'created'
  /** The roles that the user has got. */
  readonly roles: readonly InitialRole[]
  /** The roles that the user may not have got: the first was tried and failed, the others were not tried. */
  readonly missing: readonly InitialRole[]
}
