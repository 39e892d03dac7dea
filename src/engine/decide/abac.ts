// ABAC: a user set that the user is in and a resource set that the resource is in are joined by a rule for the permission.

import { Members, own, unite } from './values.js'
import { verdict, type Verdict } from './verdict.js'
import { Work, type WorkPlace } from './work.js'
import type { AttributeScope, AttributeSource, Predicate } from './conditions.js'
import type { EngineQuery } from '../engine-query.js'
import type { InstanceNode, TenantNode, UserNode } from '../facts/fact-nodes.js'

/** A user set or resource set, or a role or resource type that counts as one. */
export interface CompiledSet {
  readonly key: string
  readonly kind: SetKind
  readonly matches: (query: AttributesOfQuery) => boolean
  /** A copy of the condition as it was written, for those who want to know why; no decision reads it. */
  readonly written: unknown
  /** Each `anyOf` in it, which for Permit's PDP is a set, too. */
  readonly alternatives: readonly Predicate[]
}

/** What a set is: of what meets a condition, of those who have a role, of all resources of a type. */
export type SetKind = 'condition' | 'role' | 'type'

/** The rules for one permission, by user set. */
export interface CompiledRules {
  readonly userSets: ReadonlyArray<{ readonly set: CompiledSet, readonly resourceSets: readonly CompiledRule[] }>
  readonly denied: { readonly noUserSet: Verdict, readonly noResourceSet: Verdict, readonly noRule: Verdict }
}

/** A rule, from the side of its user set. */
export interface CompiledRule {
  /** The resource set. */
  readonly set: CompiledSet
  readonly granted: Verdict
  /** Which rule of the document it is, from 0. */
  readonly index: number
}

/** The denials of ABAC for a permission. */
export function abacDenials (permission: string): CompiledRules['denied'] {
  return {
    noUserSet: verdict('no_matching_rules', `the user is in no user set that a rule gives the permission '${permission}'`),
    noResourceSet: verdict('no_matching_rules', `the resource is in no resource set that a rule opens for the permission '${permission}'`),
    noRule: verdict('no_matching_rules', `no rule for the permission '${permission}' joins a user set that the user is in with a resource set that the resource is in`)
  }
}

/** A set of those who have the role in the query's tenant: a role counts as a user set of its own. Only assigned roles count. */
export function roleSet (role: string): CompiledSet {
  return { key: role, kind: 'role', matches: query => query.hasRole(role), written: undefined, alternatives: [] }
}

/** The set of all resources of a type: a resource type counts as a resource set of its own. */
export function typeSet (type: string): CompiledSet {
  return { key: type, kind: 'type', matches: () => true, written: undefined, alternatives: [] }
}

/**
 * A set of what meets a condition.
 * @param place - where the condition is written, for what is said when it takes too much work
 */
export function conditionSet (key: string, condition: Predicate, written: unknown, alternatives: readonly Predicate[], place: WorkPlace): CompiledSet {
  const matches = (query: AttributesOfQuery): boolean => {
    query.work.place = place
    return condition(query)
  }
  return { key, kind: 'condition', matches, written, alternatives }
}

/** Decides with the sets that the permission's own rules name, each asked at most once. */
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

/** What matched, for those who want to know why. */
export function matchingSets (rules: CompiledRules, query: AttributesOfQuery): { usersets: string[], resourcesets: string[], rules: Array<{ user_set: string, resource_set: string }> } {
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
 * The attributes of one query, each gathered when it is asked for.
 *
 * The later of these wins: generated, stored, given in the query. Objects under one name are united, as OPA does it. A
 * tenant's attributes count only for its members. An instance's count whichever tenant is asked about, so that asking in the
 * wrong one does not make the attributes that a `not` looks for disappear.
 */
export class AttributesOfQuery implements AttributeSource {
  readonly #query: EngineQuery
  readonly #user: UserNode | undefined
  readonly #tenant: TenantNode | undefined
  readonly #instance: InstanceNode | undefined
  readonly work: Work
  #sets: Map<CompiledSet, boolean> | undefined
  #objects: Map<string, unknown> | undefined
  #lists: Map<readonly unknown[], Members> | undefined
  #values: Map<object, Members> | undefined

  constructor (query: EngineQuery, user: UserNode | undefined, tenant: TenantNode | undefined, instance: InstanceNode | undefined, work = new Work()) {
    this.work = work
    this.#query = query
    this.#user = user
    this.#tenant = tenant
    this.#instance = instance
  }

  hasRole (role: string): boolean {
    const roles = this.#roles ?? []
    this.work.spend(1 + Math.floor(roles.length / 8))
    return roles.includes(role)
  }

  /** Whether the set matches this query. The same set may be in many rules, and its condition is evaluated once. */
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

  /** Undefined for a user who is no member of the tenant. */
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

  /** Objects are kept: to unite them costs their size, and lists are known by being the same one. */
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
    // The key is among what is stored: of a stranger it is not known to conditions.
    if (name === 'key') return this.#user?.fact.key
    if (name === 'roles') return this.#roles ?? []
    if (name === 'tenants') {
      this.work.spend(this.#user?.tenantRoles?.size ?? 0)
      return [...this.#user?.tenantRoles?.keys() ?? []]
    }
    return undefined
  }
}

/** What Permit keeps beside a user's attributes and conditions still find among them. */
function isProfile (name: string): boolean {
  return name === 'email' || name === 'first_name' || name === 'last_name'
}
