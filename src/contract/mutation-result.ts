// The results of writes, applied in full or in part.

/** An initial role of a new user. */
export interface InitialRole {
  readonly role: string
  /** The tenant of the role. */
  readonly tenant: string
}

/**
 * The result of a write. `unchanged`: the requested state already existed. Over HTTP, this is not always known: `created` may also mean
 * that it existed, and `updated` that the user did not change.
 */
export interface MutationResult {
  readonly status: 'created' | 'updated' | 'deleted' | 'unchanged'
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
