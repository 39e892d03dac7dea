// Role derivations, compiled: which roles on instances follow from which others.
import type { WorkPlace } from './work.js'

/** A role on instances of a resource type. Inheritance passes on permissions only, never what a derivation looks for. */
export interface CompiledResourceRole {
  readonly type: string
  readonly key: string
  /** Where it is in the policy document, for what is said when a walk takes too much work. */
  readonly place: WorkPlace
  /** Actions that it holds, inherited ones included. */
  readonly actions: ReadonlySet<string>
  /** Where it comes from besides assignment. */
  readonly derivations: readonly CompiledDerivation[]
  /** Roles that derive from it, the other way round. */
  readonly derived: readonly CompiledDerivation[]
}

/** Whoever has `source` on the subject of `relation` has `target` on its object. */
export interface CompiledDerivation {
  readonly source: CompiledResourceRole
  readonly target: CompiledResourceRole
  readonly relation: string
  /** Not for a user who has any role on the object itself. */
  readonly unlessDirectRole: boolean
}
