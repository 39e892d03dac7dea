// The compiled schema of a policy for decisions: everything about one action on one resource type is in one object.

import type { CompiledRules, CompiledSet } from './abac.js'
import type { HeldBy } from './rebac.js'
import type { CompiledResourceRole } from './derivation.js'
import type { UrlMapping } from './url-mapping.js'
import type { Verdict } from './verdict.js'

/** The compiled schema. */
export interface CompiledSchema {
  readonly types: ReadonlyMap<string, CompiledType>
  /** The keys of tenant roles. */
  readonly roles: ReadonlySet<string>
  /** The sets that are defined by a condition. */
  readonly sets: { readonly users: readonly CompiledSet[], readonly resources: readonly CompiledSet[] }
  /** Whether there are any sets or rules. Without them, ABAC is never evaluated. */
  readonly hasSets: boolean
  /** The URL mapping rules. */
  readonly mapping: UrlMapping
}

/** A resource type. */
export interface CompiledType {
  readonly key: string
  /** By action. */
  readonly permissions: ReadonlyMap<string, CompiledPermission>
  /** The relations of its instances, each with the type of its subjects. */
  readonly relations: ReadonlyMap<string, string>
  /** The roles on its instances. */
  readonly resourceRoles: ReadonlyMap<string, CompiledResourceRole>
}

/** One action on one resource type, with everything that can grant it. */
export interface CompiledPermission {
  /** `type:action`. */
  readonly key: string
  readonly action: string
  /** The roles that hold it, including inherited permissions, each with the verdict for users with that role. */
  readonly grantedBy: ReadonlyMap<string, Verdict>
  readonly denied: Verdict
  /** The ABAC rules; `null` for none. */
  readonly rules: CompiledRules | null
  /** The ReBAC resource roles; `null` when the type has none. */
  readonly held: HeldBy | null
}

/** An empty schema. */
export const EMPTY_SCHEMA: CompiledSchema = {
  types: new Map(), roles: new Set(), sets: { users: [], resources: [] }, hasSets: false, mapping: new Map()
}
