// Compiled role derivations: which roles on instances follow from which others.
import type { WorkPlace } from './work-budget.js'

/** A role on instances of a resource type. Inheritance only passes on permissions; a derivation looks for the role itself. */
export interface CompiledResourceRole {
  readonly type: string
  readonly key: string
  /** Its path in the policy document, for the error when a walk takes too much work. */
  readonly place: WorkPlace
  /** The actions that it holds, including inherited ones. */
  readonly actions: ReadonlySet<string>
  /** The derivations that give this role. */
  readonly derivations: readonly CompiledDerivation[]
  /** The roles that derive from this one. */
  readonly derived: readonly CompiledDerivation[]
}

/** A user with `source` on the subject of `relation` has `target` on its object. */
export interface CompiledDerivation {
  readonly source: CompiledResourceRole
  readonly target: CompiledResourceRole
  readonly relation: string
  /** Does not apply to a user who has any role on the object itself. */
  readonly unlessDirectRole: boolean
}
