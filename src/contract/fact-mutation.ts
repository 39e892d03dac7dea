// Writing facts: the mutations, their results, and the interface of a PDP that applies them.
import type {
  RelationshipTupleFact, ResourceInstanceFact, RoleAssignmentFact, TenantFact, TenantOptional, UserFact
} from '../engine/facts/fact.js'

/** An initial role of a new user. */
export interface InitialRole {
  readonly role: string
  /** The tenant of the role. */
  readonly tenant: string
}

/** One write, with the names of Permit's wire format: validated, copied and immutable. */
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
 * The result of a write. `unchanged`: the requested state existed already. A PDP over HTTP cannot always tell: `created` may then also mean
 * that it existed, and `updated` that the user did not change.
 */
export interface MutationResult {
  readonly status: 'created' | 'updated' | 'deleted' | 'unchanged'
}

/** Writes facts. */
export interface FactsApi {
  /**
   * Applies one write, and resolves when the PDP uses it in decisions. A write that may have been applied is never retried.
   * @throws {@link PartlyAppliedError} when some of it was applied
   */
  apply (mutation: FactMutation): Promise<MutationResult>
}

/** A write that was applied in part before it failed; `cause` is the failure. */
export class PartlyAppliedError extends Error {
  override readonly name = 'PartlyAppliedError'
  readonly applied: PartlyApplied

  constructor (applied: PartlyApplied, cause: unknown) {
    super('the write was applied in part', { cause })
    this.applied = applied
  }
}

/** A new user who was created without all of the initial roles. */
export interface PartlyApplied {
  readonly status: 'created'
  /** The roles that were assigned. */
  readonly roles: readonly InitialRole[]
  /** The roles that may not be assigned: assigning the first one failed, the others were not tried. */
  readonly missing: readonly InitialRole[]
}
