// The schema part of a policy as decisions use it: everything about one action on one resource type in one place.

import type { CompiledRules, CompiledSet } from './abac.js'
import type { HeldBy } from './rebac.js'
import type { CompiledResourceRole } from './derivation.js'
import type { Verdict } from './verdict.js'

/** The schema part of a policy, ready for decisions. */
export interface CompiledSchema {
  readonly types: ReadonlyMap<string, CompiledType>
  /** Keys of the roles that users have in tenants. */
  readonly roles: ReadonlySet<string>
  /** The sets that have a condition. */
  readonly sets: { readonly users: readonly CompiledSet[], readonly resources: readonly CompiledSet[] }
  /** Whether there is any set or rule. Without one, ABAC has nothing to say of any query. */
  readonly hasSets: boolean
}

/** A resource type. */
export interface CompiledType {
  readonly key: string
  /** By action. */
  readonly permissions: ReadonlyMap<string, CompiledPermission>
  /** Relations of its instances to others, each with the type of its subjects. */
  readonly relations: ReadonlyMap<string, string>
  /** Roles on instances of the type. */
  readonly resourceRoles: ReadonlyMap<string, CompiledResourceRole>
}

/** One action on one resource type, with everything that may grant it. */
export interface CompiledPermission {
  /** `type:action`. */
  readonly key: string
  readonly action: string
  /** Roles that hold it, inheritance included, to the verdict for somebody who has the role. */
  readonly grantedBy: ReadonlyMap<string, Verdict>
  readonly denied: Verdict
  /** Rules of ABAC; `null` when there are none. */
  readonly rules: CompiledRules | null
  /** Resource roles of ReBAC; `null` when the type has none. */
  readonly held: HeldBy | null
}

/** A schema without anything in it. */
export const EMPTY_SCHEMA: CompiledSchema = { types: new Map(), roles: new Set(), sets: { users: [], resources: [] }, hasSets: false }
