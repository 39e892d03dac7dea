// ABAC: a user set that the user is in and a resource set that the resource is in are joined by a rule for the permission.

import { own, unite } from './values.js'
import { verdict, type Verdict } from './verdict.js'
import type { AttributeScope, AttributeSource, Predicate } from './conditions.js'
import type { EngineQuery } from '../query.js'
import type { InstanceNode, TenantNode, UserNode } from '../facts/nodes.js'

/** A user set or resource set, or a role or resource type that counts as one. */
export interface CompiledSet {
  readonly key: string
  readonly kind: SetKind
  readonly matches: (query: AttributesOfQuery) => boolean
  /** A copy of the condition as it was written, for those who want to know why; no decision reads it. */
  readonly written: unknown
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

/**
 * The denials of ABAC for a permission. All have the code that Permit's PDP gives: it counts the set of all resources of a type among those that
 * match, so that on a type that is defined something always matches.
 */
export function abacDenials (permission: string): CompiledRules['denied'] {
  return {
    noUserSet: verdict('no_matching_rules', `the user is in no user set that a rule gives the permission '${permission}'`),
    noResourceSet: verdict('no_matching_rules', `the resource is in no resource set that a rule opens for the permission '${permission}'`),
    noRule: verdict('no_matching_rules', `no rule for the permission '${permission}' joins a user set that the user is in with a resource set that the resource is in`)
  }
}

/** A set of those who have the role in the query's tenant: a role counts as a user set of its own. Only assigned roles count. */
export function roleSet (role: string): CompiledSet {
  return { key: role, kind: 'role', matches: query => query.hasRole(role), written: undefined }
}

/** The set of all resources of a type: a resource type counts as a resource set of its own. */
export function typeSet (type: string): CompiledSet {
  return { key: type, kind: 'type', matches: () => true, written: undefined }
}

/** A set of what meets a condition. */
export function conditionSet (key: string, condition: Predicate, written: unknown): CompiledSet {
  return { key, kind: 'condition', matches: condition, written }
}

/** Decides with the sets that the permission's own rules name, each asked at most once. */
export function decideAbac (rules: CompiledRules, query: AttributesOfQuery): Verdict {
  const asked = new Map<CompiledSet, boolean>()
  let inUserSet = false
  for (const { set, resourceSets } of rules.userSets) {
    if (!set.matches(query)) continue
    inUserSet = true
    for (const { set: resourceSet, granted } of resourceSets) {
      if (ask(asked, resourceSet, query)) return granted
    }
  }
  if (!inUserSet) return rules.denied.noUserSet
  const inResourceSet = rules.userSets.some(({ resourceSets }) => resourceSets.some(({ set }) => ask(asked, set, query)))
  return inResourceSet ? rules.denied.noRule : rules.denied.noResourceSet
}

/** What matched, for those who want to know why. */
export function matchingSets (rules: CompiledRules, query: AttributesOfQuery): { usersets: string[], resourcesets: string[], rules: Array<{ user_set: string, resource_set: string }> } {
  const usersets = new Set<string>()
  const resourcesets = new Set<string>()
  const joined: Array<{ user_set: string, resource_set: string }> = []
  for (const { set, resourceSets } of rules.userSets) {
    const inUserSet = set.matches(query)
    if (inUserSet) usersets.add(set.key)
    for (const { set: resourceSet } of resourceSets) {
      if (!resourceSet.matches(query)) continue
      resourcesets.add(resourceSet.key)
      if (inUserSet) joined.push({ user_set: set.key, resource_set: resourceSet.key })
    }
  }
  return { usersets: [...usersets], resourcesets: [...resourcesets], rules: joined }
}

function ask (asked: Map<CompiledSet, boolean>, set: CompiledSet, query: AttributesOfQuery): boolean {
  let matches = asked.get(set)
  if (matches === undefined) asked.set(set, matches = set.matches(query))
  return matches
}

/**
 * The attributes of one query, each gathered when it is asked for.
 *
 * The later of these wins: generated, stored, given in the query. Objects under one name are united, as OPA does it. A
 * tenant's attributes count only for its members. An instance's count whichever tenant is asked about, so that asking in the
 * wrong one does not make the attributes that a `not` looks for disappear. A user who was never synced has what the query gives, and no roles;
 * a tenant that does not exist has no attributes.
 */
export class AttributesOfQuery implements AttributeSource {
  readonly #query: EngineQuery
  readonly #user: UserNode | undefined
  readonly #tenant: TenantNode | undefined
  readonly #instance: InstanceNode | undefined

  constructor (query: EngineQuery, user: UserNode | undefined, tenant: TenantNode | undefined, instance: InstanceNode | undefined) {
    this.#query = query
    this.#user = user
    this.#tenant = tenant
    this.#instance = instance
  }

  hasRole (role: string): boolean {
    return this.#roles?.includes(role) === true
  }

  lookup (scope: AttributeScope, name: string): unknown {
    switch (scope) {
      case 'user':
        return unite(this.#givenUser(name), unite(this.#storedUser(name), this.#generatedUser(name)))
      case 'resource':
        return unite(own(this.#query.resource.attributes, name), unite(own(this.#instance?.fact.attributes, name), name === 'type' ? this.#query.resource.type : undefined))
      case 'tenant':
        return this.#roles === undefined ? undefined : own(this.#tenant?.fact.attributes, name)
      case 'context':
        return own(this.#query.context, name)
    }
  }

  /** Undefined for whoever is no member of the tenant. */
  get #roles (): readonly string[] | undefined {
    return this.#user?.rolesIn(this.#query.resource.tenant)
  }

  #storedUser (name: string): unknown {
    if (this.#user === undefined) return undefined
    const { fact } = this.#user
    return unite(own(fact.attributes, name), isProfile(name) ? own(fact, name) : undefined)
  }

  #givenUser (name: string): unknown {
    const { user } = this.#query
    return unite(own(user.attributes, name), isProfile(name) ? own(user, name) : undefined)
  }

  #generatedUser (name: string): unknown {
    // The key is among what is stored: of a stranger it is not known to conditions.
    if (name === 'key') return this.#user?.fact.key
    if (name === 'roles') return this.#roles ?? []
    if (name === 'tenants') return [...this.#user?.tenantRoles?.keys() ?? []]
    return undefined
  }
}

/** What Permit keeps beside a user's attributes and conditions still find among them. */
function isProfile (name: string): boolean {
  return name === 'email' || name === 'first_name' || name === 'last_name'
}
