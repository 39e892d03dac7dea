// The state of compiling one policy: the document, the types found so far, and the problems.

import { blockOf, entriesOf, textsOf } from './document.js'
import { suggest } from '../../kit/suggest.js'
import { splitPair } from '../../kit/split-at-colon.js'
import { cyclesOf } from './role-inheritance.js'
import { verdict, type Verdict } from '../decide/verdict.js'
import type { CompiledRules } from '../decide/abac.js'
import type { HeldBy } from '../decide/rebac.js'
import type { CompiledDerivation, CompiledResourceRole } from '../decide/derivation.js'
import type { CompiledPermission, CompiledType } from '../decide/decision-schema.js'
import type { Policy } from './policy.js'
import { addProblem, type PolicyProblem } from './problems.js'
import { typeOfWildcard, WILDCARD } from './wildcards.js'

/** A path in the document. */
export type Path = ReadonlyArray<string | number>

/** A permission that is still being compiled. */
export interface PermissionDraft extends CompiledPermission {
  readonly grantedBy: Map<string, Verdict>
  rules: CompiledRules | null
  held: HeldBy | null
}

/** A resource role that is still being compiled. */
export interface ResourceRoleDraft extends CompiledResourceRole {
  readonly actions: Set<string>
  readonly derivations: CompiledDerivation[]
  readonly derived: CompiledDerivation[]
}

/** A resource type that is still being compiled. */
export interface TypeDraft extends CompiledType {
  readonly permissions: Map<string, PermissionDraft>
  readonly resourceRoles: Map<string, ResourceRoleDraft>
  /** The type of the subjects, by relation. */
  readonly relations: Map<string, string>
}

/**
 * The most permissions of all roles together. An inherited permission counts for each role that inherits it. They are stored flat, which
 * makes decisions fast; without a limit, a small file of roles that all inherit from one another would use all memory.
 */
const MAX_GRANTS = 1_000_000

/** Permit's built-in resource types, and the section that holds their attributes. */
const BUILT_IN_TYPES: Readonly<Record<string, string>> = {
  __proto__: null as never,
  __user: 'user_attributes',
  __tenant: 'tenant_attributes'
}

/** The state that the parts of the compiler share. */
export class Compilation {
  readonly policy: Partial<Policy>
  readonly problems: PolicyProblem[]
  readonly types = new Map<string, TypeDraft>()
  readonly roles: ReadonlySet<string>
  readonly #hasWildcards: boolean
  #grants = 0
  #permissions = 0

  /** @param hasWildcards - whether roles may hold `task:*` and `*`, which Permit's API does not have */
  constructor (policy: Policy, problems: PolicyProblem[], hasWildcards: boolean) {
    this.#hasWildcards = hasWildcards
    this.policy = blockOf(policy)
    this.problems = problems
    this.roles = new Set(entriesOf(this.policy.roles).map(([key]) => key))
    for (const [key, resource] of entriesOf(this.policy.resources)) {
      this.#addType(key, entriesOf(blockOf(resource).actions))
      this.#requireActions(key, entriesOf(blockOf(resource).action_groups))
    }
  }

  problem (path: Path, message: string, hint: string): void {
    addProblem(this.problems, { path, message, hint })
  }

  /** How many permissions the texts of a tenant role stand for. */
  countOf (texts: ReadonlyArray<readonly [number, string]>): number {
    return texts.reduce((sum, [, text]) => sum + this.#countOf(text), 0)
  }

  #countOf (text: string): number {
    if (text === WILDCARD) return this.#permissions
    const type = typeOfWildcard(text)
    return type === undefined ? 1 : this.types.get(type)?.permissions.size ?? 1
  }

  /** The permissions that a text of a tenant role stands for: one, or with a wildcard several. Reports a problem when there are none. */
  permissionsFor (text: string, path: Path): readonly PermissionDraft[] {
    const key = typeOfWildcard(text)
    if (text !== WILDCARD && key === undefined) {
      const found = this.permission(text, path)
      return found === undefined ? [] : [found.permission]
    }
    if (!this.mayHaveWildcard(path)) return []
    if (key === undefined) return [...this.types.values()].flatMap(({ permissions }) => [...permissions.values()])
    return [...this.type(key, path)?.permissions.values() ?? []]
  }

  /** Whether wildcards are allowed. Reports a problem when they are not. */
  mayHaveWildcard (path: Path): boolean {
    if (this.#hasWildcards) return true
    this.problem(path, 'wildcards are only allowed in a policy file, or in the policy of an app', 'list each permission')
    return false
  }

  /** Whether this many more permissions may be granted. Reports a problem, once, when they may not. */
  mayGrant (count: number, path: Path): boolean {
    const before = this.#grants
    this.#grants += count
    if (this.#grants <= MAX_GRANTS) return true
    if (before <= MAX_GRANTS) {
      const message = `roles hold more than ${MAX_GRANTS} permissions, including inherited ones`
      this.problem(path, message, 'let fewer roles inherit from one another')
    }
    return false
  }

  /** The type with this key. Reports a problem and returns undefined when there is none. */
  type (key: string, path: Path): TypeDraft | undefined {
    const type = this.types.get(key)
    if (type === undefined) {
      this.problem(path, `resource type '${key}' is not defined`, suggest(key, this.types.keys(), 'define it under resources'))
    }
    return type
  }

  /** The permission for a text such as `type:action`. Reports a problem and returns undefined when there is none. */
  permission (text: string, path: Path): { readonly type: TypeDraft, readonly permission: PermissionDraft } | undefined {
    const parts = splitPair(text)
    if (parts === undefined) {
      this.problem(path, `'${text}' is not a permission`, "write '<resource type>:<action>', such as 'task:read'")
      return undefined
    }
    if (parts.before === WILDCARD) {
      this.problem(path, `'${text}' is not a permission`, "'*' stands for all actions of a type, as in 'task:*', or of all types")
      return undefined
    }
    const type = this.type(parts.before, path)
    const permission = type === undefined ? undefined : this.action(type, parts.after, path)
    return type === undefined || permission === undefined ? undefined : { type, permission }
  }

  /** The type's permission for the action. Reports a problem and returns undefined when there is none. */
  action (type: TypeDraft, action: string, path: Path): PermissionDraft | undefined {
    const permission = type.permissions.get(action)
    if (permission === undefined) {
      const hint = suggest(action, type.permissions.keys(), `define it under resources.${type.key}.actions`)
      this.problem(path, `resource type '${type.key}' has no action '${action}'`, hint)
    }
    return permission
  }

  /** The defined parents of each role. Undefined parents and cycles are reported as problems. */
  parents (roles: ReadonlyMap<string, { readonly extends?: readonly string[] }>, at: Path): Map<string, string[]> {
    const parents = new Map<string, string[]>()
    for (const [key, role] of roles) {
      const known: string[] = []
      for (const [index, parent] of textsOf(role.extends)) {
        if (roles.has(parent)) {
          known.push(parent)
          continue
        }
        const hint = suggest(parent, roles.keys(), `define it under ${at.join('.')}`)
        this.problem([...at, key, 'extends', index], `role '${parent}' is not defined`, hint)
      }
      parents.set(key, known)
    }
    for (const cycle of cyclesOf(parents)) {
      const [first = ''] = cycle
      this.problem([...at, first, 'extends'], `role '${first}' inherits from itself: ${circle(cycle)}`, 'remove one of these from extends')
    }
    return parents
  }

  /** Actions in groups exist. No decision depends on groups, so nothing is compiled. */
  #requireActions (key: string, groups: ReadonlyArray<readonly [string, { readonly actions?: readonly string[] } | null]>): void {
    const type = this.types.get(key)
    for (const [group, block] of groups) {
      for (const [index, action] of textsOf(blockOf(block).actions)) {
        if (type !== undefined) this.action(type, action, ['resources', key, 'action_groups', group, 'actions', index])
      }
    }
  }

  #addType (key: string, actions: ReadonlyArray<readonly [string, unknown]>): void {
    const section = BUILT_IN_TYPES[key]
    if (section !== undefined) {
      this.problem(['resources', key], `resource type '${key}' is built in`, `declare its attributes under ${section}`)
    }
    const permissions = new Map<string, PermissionDraft>()
    for (const [action] of actions) {
      const permission = `${key}:${action}`
      permissions.set(action, {
        key: permission,
        action,
        grantedBy: new Map(),
        denied: verdict('no_permission', `no role of the user in this tenant holds the permission '${permission}'`),
        rules: null,
        held: null
      })
    }
    this.#permissions += permissions.size
    this.types.set(key, { key, permissions, resourceRoles: new Map(), relations: new Map() })
  }
}

/** The cycle as text. A long one is shortened. */
function circle (roles: readonly string[]): string {
  const shown = roles.length > 10 ? [...roles.slice(0, 10), '…'] : roles
  return [...shown, roles[0]].join(' → ')
}
