// ABAC: a rule gives a permission on the resources of a resource set to the users of a user set.

import { Members, own, unite } from './values.js'
import { verdict, type Verdict } from './verdict.js'
import { WorkBudget, type WorkPlace } from './work-budget.js'
import type { AttributeScope, AttributeSource, Predicate } from './conditions.js'
import type { EngineQuery } from '../engine-query.js'
import type { InstanceNode, TenantNode, UserNode } from '../facts/fact-nodes.js'

/** The time, ms since 1970; not finite without a clock. */
export type Clock = () => number

/** Nothing is compared with the time. */
export const NO_CLOCK: Clock = () => NaN

/** A user set or a resource set. Roles and resource types count as sets, too. */
export interface CompiledSet {
  readonly key: string
  readonly kind: SetKind
  readonly matches: (query: AttributesOfQuery) => boolean
  /** A copy of the condition as it was written, for explanations. Decisions do not read it. */
  readonly written: unknown
  /** Each `anyOf` in the condition. Permit's PDP treats it as a set of its own. */
  readonly alternatives: readonly Predicate[]
}

/** The kinds of sets: defined by a condition, the users with a role, the resources of a type. */
export type SetKind = 'condition' | 'role' | 'type'

/** The rules of one permission, by user set. */
export interface CompiledRules {
  readonly userSets: ReadonlyArray<{ readonly set: CompiledSet, readonly resourceSets: readonly CompiledRule[] }>
  readonly denied: { readonly noUserSet: Verdict, readonly noResourceSet: Verdict, readonly noRule: Verdict }
}

/** A rule, seen from its user set. */
export interface CompiledRule {
  /** The resource set. */
  readonly set: CompiledSet
  readonly granted: Verdict
  /** The index of the rule in the document. */
  readonly index: number
}

/** ABAC's denials of one permission. */
export function abacDenials (permission: string): CompiledRules['denied'] {
  return {
    noUserSet: verdict('no_matching_rules', `the user is in no user set that a rule gives the permission '${permission}'`),
    noResourceSet: verdict('no_matching_rules', `the resource is in no resource set that a rule opens for the permission '${permission}'`),
    noRule: verdict('no_matching_rules',
      `no rule for the permission '${permission}' joins a user set that the user is in with a resource set that the resource is in`)
  }
}

/** The set of users with a role in the query's tenant: a role counts as a user set. Only assigned roles count. */
export function roleSet (role: string): CompiledSet {
  return { key: role, kind: 'role', matches: query => query.hasRole(role), written: undefined, alternatives: [] }
}

/** The set of all resources of a type: a resource type counts as a resource set. */
export function typeSet (type: string): CompiledSet {
  return { key: type, kind: 'type', matches: () => true, written: undefined, alternatives: [] }
}

/**
 * A set that is defined by a condition.
 * @param place - the place of the condition, for the error when it takes too much work
 */
export function conditionSet (
  key: string, condition: Predicate, written: unknown, alternatives: readonly Predicate[], place: WorkPlace
): CompiledSet {
  const matches = (query: AttributesOfQuery): boolean => {
    query.work.place = place
    return condition(query)
  }
  return { key, kind: 'condition', matches, written, alternatives }
}

/** Decides with the sets of the permission's rules. Each set is evaluated at most once. */
export function decideAbac (rules: CompiledRules, query: AttributesOfQuery): Verdict {
  const { work } = query
  let inUserSet = false
  for (const { set, resourceSets } of rules.userSets) {
    work.spend(1)
    work.rule = resourceSets[0]?.index ?? -1
    if (!set.matches(query)) continue
    inUserSet = true
    for (const { set: resourceSet, granted, index } of resourceSets) {
      work.spend(1)
      work.rule = index
      if (query.isIn(resourceSet)) return granted
    }
  }
  if (!inUserSet) return rules.denied.noUserSet
  return isInResourceSet(rules, query) ? rules.denied.noRule : rules.denied.noResourceSet
}

function isInResourceSet (rules: CompiledRules, query: AttributesOfQuery): boolean {
  const { work } = query
  for (const { resourceSets } of rules.userSets) {
    for (const { set, index } of resourceSets) {
      work.spend(1)
      work.rule = index
      if (query.isIn(set)) return true
    }
  }
  return false
}

/** The sets and rules that match a query, for explanations. */
export function matchingSets (
  rules: CompiledRules, query: AttributesOfQuery
): { usersets: string[], resourcesets: string[], rules: Array<{ user_set: string, resource_set: string }> } {
  const usersets = new Set<string>()
  const resourcesets = new Set<string>()
  const joined: Array<{ user_set: string, resource_set: string }> = []
  for (const { set, resourceSets } of rules.userSets) {
    query.work.spend(1)
    const inUserSet = query.isIn(set)
    if (inUserSet) usersets.add(set.key)
    for (const { set: resourceSet } of resourceSets) {
      query.work.spend(1)
      if (!query.isIn(resourceSet)) continue
      resourcesets.add(resourceSet.key)
      if (inUserSet) joined.push({ user_set: set.key, resource_set: resourceSet.key })
    }
  }
  return { usersets: [...usersets], resourcesets: [...resourcesets], rules: joined }
}

/**
 * The attributes of one query. Each scope is built when it is needed.
 *
 * Precedence, highest first: attributes in the query, stored attributes, generated ones. Objects under the same name are merged as in
 * OPA. A tenant's attributes only count for its members. An instance's attributes count in every tenant, so that asking in the wrong
 * tenant does not hide attributes that a `not` looks for.
 */
export class AttributesOfQuery implements AttributeSource {
  readonly #query: EngineQuery
  readonly #user: UserNode | undefined
  readonly #tenant: TenantNode | undefined
  readonly #instance: InstanceNode | undefined
  readonly #clock: Clock
  #now: number | undefined
  readonly work: WorkBudget
  /** When the decision may come out otherwise because of the time, ms since 1970: the first change of a comparison that was evaluated. */
  until = Infinity
  #sets: Map<CompiledSet, boolean> | undefined
  #objects: Map<string, unknown> | undefined
  #lists: Map<readonly unknown[], Members> | undefined
  #values: Map<object, Members> | undefined

  constructor (
    query: EngineQuery, user: UserNode | undefined, tenant: TenantNode | undefined, instance: InstanceNode | undefined, clock: Clock,
    work = new WorkBudget()
  ) {
    this.work = work
    this.#clock = clock
    this.#query = query
    this.#user = user
    this.#tenant = tenant
    this.#instance = instance
  }

  get now (): number | undefined {
    this.#now ??= this.#clock()
    return Number.isFinite(this.#now) ? this.#now : undefined
  }

  changesAt (instant: number): void {
    if (instant < this.until) this.until = instant
  }

  /** For how long the time cannot change the decision, ms; undefined where it never can. */
  get validFor (): number | undefined {
    return this.until === Infinity || this.now === undefined ? undefined : this.until - this.now
  }

  hasRole (role: string): boolean {
    const roles = this.#roles ?? []
    this.work.spend(1 + Math.floor(roles.length / 8))
    return roles.includes(role)
  }

  /** Whether the set matches this query. A set may be in many rules; its condition is evaluated once. */
  isIn (set: CompiledSet): boolean {
    if (set.kind !== 'condition') return set.matches(this)
    this.#sets ??= new Map()
    let answer = this.#sets.get(set)
    if (answer === undefined) this.#sets.set(set, answer = set.matches(this))
    return answer
  }

  members (list: readonly unknown[]): Members {
    this.#lists ??= new Map()
    let members = this.#lists.get(list)
    if (members === undefined) this.#lists.set(list, members = new Members(list, this.work))
    return members
  }

  only (value: object): Members {
    this.#values ??= new Map()
    let members = this.#values.get(value)
    if (members === undefined) this.#values.set(value, members = new Members([value], this.work))
    return members
  }

  lookup (scope: AttributeScope, name: string): unknown {
    switch (scope) {
      case 'user':
        return this.#united('user', name) ?? this.#unite('user', name, this.#unitedUser(name))
      case 'resource':
        return this.#united('resource', name) ?? this.#unite('resource', name, this.#unitedResource(name))
      case 'tenant':
        return this.#roles === undefined ? undefined : own(this.#tenant?.fact.attributes, name)
      case 'context':
        return own(this.#query.context, name)
    }
  }

  /** Undefined for a user who is not a member of the tenant. */
  get #roles (): readonly string[] | undefined {
    return this.#user?.rolesIn(this.#query.resource.tenant)
  }

  #unitedUser (name: string): unknown {
    return unite(this.#givenUser(name), unite(this.#storedUser(name), this.#generatedUser(name), this.work), this.work)
  }

  #unitedResource (name: string): unknown {
    const known = unite(own(this.#instance?.fact.attributes, name), name === 'type' ? this.#query.resource.type : undefined, this.work)
    return unite(own(this.#query.resource.attributes, name), known, this.work)
  }

  #united (scope: 'user' | 'resource', name: string): unknown {
    return this.#objects?.get(`${scope}.${name}`)
  }

  /** Caches merged objects: merging costs their size, and cached list members are found by the identity of the list. */
  #unite (scope: 'user' | 'resource', name: string, value: unknown): unknown {
    if (typeof value !== 'object' || value === null) return value
    this.#objects ??= new Map()
    this.#objects.set(`${scope}.${name}`, value)
    return value
  }

  #givenUser (name: string): unknown {
    const { user } = this.#query
    return unite(own(user.attributes, name), isProfile(name) ? own(user, name) : undefined, this.work)
  }

  #storedUser (name: string): unknown {
    if (this.#user === undefined) return undefined
    const { fact } = this.#user
    return unite(own(fact.attributes, name), isProfile(name) ? own(fact, name) : undefined, this.work)
  }

  #generatedUser (name: string): unknown {
    // The key is a stored attribute: for a user who was never synced, conditions do not see it.
    if (name === 'key') return this.#user?.fact.key
    if (name === 'roles') return this.#roles ?? []
    if (name === 'tenants') {
      this.work.spend(this.#user?.tenantRoles?.size ?? 0)
      return [...this.#user?.tenantRoles?.keys() ?? []]
    }
    return undefined
  }
}

/** Properties of a user that Permit stores beside the attributes, and that conditions can use as attributes. */
function isProfile (name: string): boolean {
  return name === 'email' || name === 'first_name' || name === 'last_name'
}
