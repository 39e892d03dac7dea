// The engine of the embedded PDP: one policy, its facts, and all queries that Permit's PDP answers.

import { AttributesOfQuery, decideAbac } from './decide/abac.js'
import { compilePolicy } from './policy/compile-policy.js'
import { nearestMiss } from './explain/nearest-miss.js'
import { explainAbac, explainRbac, explainRebac, explainUnknown, explainWithoutRules, type Debug } from './explain/explain.js'
import { DEFAULT_TENANT } from './facts/fact.js'
import { Facts } from './facts/facts.js'
import { type InstanceNode, type TenantNode, type UserNode } from './facts/fact-nodes.js'
import { withGivenRoles } from './facts/given-roles.js'
import { LoadedFacts, type FactsDelta } from './facts/loaded-facts.js'
import type { DocumentFacts } from './policy/compile-facts.js'
import {
  grantsOf, possiblePermissions, possiblePermissionsOn, type Grants, type PossiblePermission
} from './explain/possible-permissions.js'
import {
  authorizedUsers, isOn, tenantsToAsk, tenantView, userPermissions, userTenants,
  type AuthorizedUsers, type PermissionsFilter, type QueryUser, type TenantView, type UserPermissions, type World
} from './explain/list-queries.js'
import { openUserSets, setsWithSubset, type OpenUserSet } from './explain/open-user-sets.js'
import { decideRbac } from './decide/rbac.js'
import { decideRebac } from './decide/rebac.js'
import { EMPTY_SCHEMA, type CompiledPermission, type CompiledSchema } from './decide/decision-schema.js'
import { traceAbac, traceRbac, traceRebac, type DecisionTrace, type ModelsTrace } from './explain/trace.js'
import { mapUrl, type MappedUrl } from './decide/url-mapping.js'
import { DENIED, type Verdict } from './decide/verdict.js'
import { QUESTION_STEPS, WorkBudget, WorkLimitError } from './decide/work-budget.js'
import { runSync } from '../kit/time-slices.js'
import type { Planning, PlanQuery } from './plan/plan-query.js'
import type { Policy } from './policy/policy.js'
import { NO_TENANT, type EngineQuery } from './engine-query.js'

export type { ReasonCode, Verdict } from './decide/verdict.js'
export { DECISION_STEPS, QUESTION_STEPS, WorkBudget, WorkLimitError, type WorkPlace } from './decide/work-budget.js'

/** A query about all tenants. */
type TenantlessQuery = Omit<EngineQuery, 'resource'> & { resource: Omit<EngineQuery['resource'], 'tenant'> & { tenant?: string } }

/** A tenant in which the query is allowed. */
interface AllowedTenant { tenant: TenantView, allow: true }

/** A decision with the reasons of each model. */
type Explanation = Verdict & { readonly debug: Debug }

/** What a query refers to. A user who was never synced and a tenant that does not exist are undefined. */
interface Found {
  readonly permission: CompiledPermission
  readonly tenant: TenantNode | undefined
  readonly user: UserNode | undefined
}

/** The options of an engine. */
interface EngineOptions {
  /**
   * How users that were never synced and tenants that do not exist are treated. `permit`: as in Permit's PDP, which evaluates conditions
   * with the attributes of the query and may allow. `deny`: denied.
   * @defaultValue `permit`
   */
  readonly unknown?: UnknownPolicy
  /**
   * The time, ms since 1970: assignments with an end count until then, and conditions see it as `now`.
   * @defaultValue none: an assignment with an end does not count, and a comparison with `now` is false
   */
  readonly now?: () => number
  /** Gets each role of a question that the policy does not have, and that does not count. */
  readonly onUnknownRole?: (role: string) => void
}

/** How unknown users and tenants are treated. */
export type UnknownPolicy = 'permit' | 'deny'

/**
 * The engine. Pure: no I/O and no clock.
 *
 * A query is allowed when RBAC, ABAC or ReBAC allows it, and denied otherwise. An unknown resource type or action is denied before any
 * model is evaluated. For a user who was never synced, and in a tenant that does not exist, RBAC and ReBAC deny, and ABAC decides with the
 * attributes of the query, as in Permit's PDP; the option `unknown` can deny these queries.
 *
 * The reason code of a denial is RBAC's code for something unknown, or `no_permission` when the user has roles in the tenant. Otherwise it
 * is the code of ReBAC, ABAC or RBAC: of the first that was evaluated. ABAC is evaluated when the permission has rules, ReBAC when the
 * resource has a key and its type has resource roles.
 *
 * Each decision has a work budget. A decision that exceeds it fails with a {@link WorkLimitError}, which names the part of the policy.
 * Decisions are synchronous. Questions that need many decisions can also be answered in steps, with other work in between; each fact
 * then counts as it is when it is read.
 */
export class Engine {
  readonly #facts = new Facts()
  readonly #loaded = new LoadedFacts(this.#facts)
  readonly #now: () => number
  /** Shared by all decisions, because they run one after the other. Saves an allocation per decision. */
  readonly #work = new WorkBudget()
  #schema: CompiledSchema = EMPTY_SCHEMA
  #schemaRevision = 0
  readonly #deniesUnknown: boolean
  readonly #onUnknownRole: ((role: string) => void) | undefined

  /** @throws {@link PolicyError} when the policy is invalid */
  constructor (policy?: Policy, { unknown = 'permit', now = () => Infinity, onUnknownRole }: EngineOptions = {}) {
    this.#onUnknownRole = onUnknownRole
    this.#now = now
    this.#deniesUnknown = unknown === 'deny'
    if (policy !== undefined) this.load(policy)
  }

  /**
   * Users, tenants, assignments, instances and tuples. A change takes effect with the next decision. Assignments that have ended are gone:
   * every question begins here.
   */
  get facts (): Facts {
    if (this.#facts.nextEnd !== Infinity) this.endAssignments()
    return this.#facts
  }

  /** Removes the assignments that have ended by now. */
  endAssignments (): void {
    this.#facts.endAssignments(this.#now())
  }

  /** When the next assignment ends, ms since 1970; `Infinity` for never. */
  get nextEnd (): number {
    return this.#facts.nextEnd
  }

  /** The time that conditions see, ms since 1970; not finite without a clock. */
  get now (): number {
    return this.#now()
  }

  /** Increases with every change of schema or facts. */
  get revision (): number {
    return this.#schemaRevision + this.facts.revision
  }

  /**
   * Replaces the schema and updates the facts that the document lists. Facts that only the previous document listed are removed, with
   * everything that depends on them; new and changed facts are written. Facts that both documents list alike, and facts that were written
   * at run time, do not change.
   *
   * @param options - `facts: false` replaces only the schema
   * @throws {@link PolicyError} when the policy is invalid; nothing has changed then
   */
  load (policy: Policy, options: { readonly facts?: boolean } = {}): void {
    const { schema, facts } = compilePolicy(policy)
    this.use(schema, options.facts === false ? undefined : runSync(this.compare(facts)))
  }

  /**
   * What brings the facts of the document that was loaded before to these, in steps, between which anything may happen but a `load` or
   * `use` of facts.
   */
  compare (facts: DocumentFacts): Generator<undefined, FactsDelta> {
    return this.#loaded.compare(facts)
  }

  /** Replaces schema and facts as {@link Engine.load} does, by what was compiled before. It cannot fail. */
  use (schema: CompiledSchema, facts?: FactsDelta): void {
    this.#schema = schema
    this.#schemaRevision++
    if (facts !== undefined) this.#loaded.replace(facts)
  }

  /**
   * Decides a query. The hot path: only lookups and shared verdicts.
   *
   * @param work - the budget of the question that the decision belongs to; by default, that of one decision
   * @throws {@link WorkLimitError} when it would take too much work
   */
  decide (query: EngineQuery, work = this.#work): Verdict {
    const type = this.#schema.types.get(query.resource.type)
    if (type === undefined) return DENIED.noSuchResource
    const permission = type.permissions.get(query.action)
    if (permission === undefined) return DENIED.noSuchAction
    const user = this.#userOf(query.user)
    const roles = user === undefined ? undefined : user.rolesIn(query.resource.tenant)
    // A user can only have roles in a tenant that exists; without roles, the tenant must be looked up.
    const isKnown = roles !== undefined || (user !== undefined && this.#isTenant(query.resource.tenant))
    const rbac = isKnown ? decideRbac(permission, user as UserNode, roles) : this.#unknown(query)
    if (rbac.allow || (permission.rules === null && permission.held === null) || (!isKnown && this.#deniesUnknown)) return rbac
    return this.#decideBeyondRoles(query, permission, user, rbac, work)
  }

  /** Decides like {@link Engine.decide}, and adds the reasons by name, as far as the work budget of the decision allows. */
  explain (query: EngineQuery, work = this.#work): Explanation {
    const { code, allow, reason: inShort, validFor } = this.decide(query, work)
    const found = this.#find(query)
    if (found === undefined) {
      const rbac = explainUnknown(code, query, this.#schema, this.facts)
      const attributes = new AttributesOfQuery(query, this.#userOf(query.user), undefined, undefined, this.#now, work)
      return { ...rbac, debug: within(work, () => ({ rbac, ...this.#withoutRules(query, attributes) })) ?? { rbac } }
    }
    const debug = within(work, () => this.#debug(query, found, work)) ?? {}
    const parts = [debug.rbac, debug.rebac, debug.abac]
    const reason = parts.find(part => part?.allow === allow && part.code === code)?.reason ?? inShort
    return { ...bounded({ allow, code, reason }, validFor), debug }
  }

  /**
   * Explains like {@link Engine.explain}. The reason of a denial also names the rule that came nearest, with the attributes that failed and
   * without their values.
   */
  explainNearest (query: EngineQuery, work = this.#work): Explanation {
    const explanation = this.explain(query, work)
    const miss = explanation.debug.abac?.nearest_miss
    return miss === undefined ? explanation : { ...explanation, reason: `${explanation.reason}; ${miss}` }
  }

  /**
   * The rule that came nearest to allowing a denied query, as a sentence without values. Undefined when no rule has one of its sets met,
   * and when it would take too much work to find it.
   */
  nearestMiss (query: EngineQuery, work = this.#work): string | undefined {
    const found = this.#find(query)
    if (found === undefined || found.permission.rules === null) return undefined
    const { permission: { rules }, user, tenant } = found
    if (this.#deniesUnknown && (user === undefined || tenant === undefined)) return undefined
    return within(work, () => nearestMiss(rules, new AttributesOfQuery(query, user, tenant, this.#instance(query), this.#now, work)))
  }

  /** Explains like {@link Engine.explainNearest}, and lists every role, condition and derivation that was evaluated. */
  trace (query: EngineQuery): DecisionTrace {
    const { allow, code, reason } = this.explainNearest(query)
    const found = this.#find(query)
    const notAsked = found === undefined || (this.#deniesUnknown && (found.user === undefined || found.tenant === undefined))
    return notAsked ? { allow, code, reason } : { allow, code, reason, models: this.#trace(query, found) }
  }

  /**
   * The permission that a method and a URL stand for by the policy's URL mapping rules; undefined when no rule matches.
   * @throws {@link WorkLimitError} when it would take too much work
   */
  mapUrl (method: string, url: string, work = this.#work): MappedUrl | undefined {
    work.begin()
    return mapUrl(this.#schema.mapping, method, url, work)
  }

  /** Whether the policy has rules of ABAC. */
  get hasRules (): boolean {
    return this.#schema.hasSets
  }

  /** What a user may do in a tenant: each permission of the policy is held always, depending on resource and context, or never. */
  possiblePermissions (user: string, tenant: string): PossiblePermission[] {
    const userNode = this.facts.userNode(user)
    const tenantNode = this.facts.tenantNode(tenant)
    return userNode === undefined || tenantNode === undefined ? [] : possiblePermissions(this.#schema, userNode, tenantNode)
  }

  /** What a user may do on a resource instance, in its tenant: each permission is held always, depending on the context, or never. */
  possiblePermissionsOn (user: string, resource: { readonly type: string, readonly key: string }): PossiblePermission[] {
    const userNode = this.facts.userNode(user)
    const instance = this.facts.instanceNode(resource.type, resource.key)
    return userNode === undefined || instance === undefined ? [] : possiblePermissionsOn(this.#schema, userNode, instance)
  }

  /** What a plan is made of: which rows of a table the user may act on, see `plan/planner.ts`. It is about the facts of the moment. */
  planning (query: PlanQuery): Planning {
    const type = this.#schema.types.get(query.type)
    const user = this.#userOf(query.user)
    const tenant = this.facts.tenantNode(query.tenant)
    const isAsked = !this.#deniesUnknown || (user !== undefined && tenant !== undefined)
    const permission = type?.permissions.get(query.action)
    return { query, type, permission, user, tenant, isAsked, facts: this.facts, clock: this.#now }
  }

  /** The actions of a resource type; none for a type that the policy does not have. */
  actionsOf (type: string): Iterable<string> {
    return this.#schema.types.get(type)?.permissions.keys() ?? []
  }

  /** User sets whose rules also hold for users that were never synced, and in tenants that do not exist. Empty with `unknown: 'deny'`. */
  openUserSets (): OpenUserSet[] {
    return this.#deniesUnknown ? [] : openUserSets(this.#schema)
  }

  /** Sets with `array_subset` or `array_superset` that Permit's container answers differently when an attribute is missing. */
  setsWithSubset (): string[] {
    return setsWithSubset(this.#schema)
  }

  /** Which roles hold which permissions, independent of users. */
  grants (): Grants[] {
    return grantsOf(this.#schema)
  }

  /** The tenants in which the query is allowed; its own tenant is ignored. With Permit's `context.optimized`, only roles are evaluated. */
  allTenants (query: TenantlessQuery): AllowedTenant[] {
    return runSync(this.stepsOfAllTenants(query))
  }

  /** {@link Engine.allTenants} in steps. */
  * stepsOfAllTenants (query: TenantlessQuery): Generator<undefined, AllowedTenant[]> {
    const work = new WorkBudget(QUESTION_STEPS)
    const allowed: AllowedTenant[] = []
    for (const tenant of tenantsToAsk(this.#world, query)) {
      work.begin()
      work.spend(1)
      const asked = { ...query, resource: { ...query.resource, tenant: tenant.fact.key } }
      const allow = isOn(query.context, 'optimized') ? this.#allowedByRole(asked) : this.decide(asked, work).allow
      if (allow) {
        work.list(1)
        allowed.push({ tenant: tenantView(tenant), allow })
      }
      yield
    }
    return allowed
  }

  /**
   * What the user may do, by `__tenant:<key>` and `<type>:<key>`: in every tenant and on every instance where the user has a role, assigned
   * or derived. Conditions are only evaluated with `context.enable_abac_user_permissions`, for the types that the filter names: on each of
   * their instances, and in each tenant where the user has a role.
   */
  userPermissions (user: string | QueryUser, filter: PermissionsFilter = {}): Record<string, UserPermissions> {
    return runSync(this.stepsOfUserPermissions(user, filter))
  }

  /** {@link Engine.userPermissions} in steps. */
  stepsOfUserPermissions (user: string | QueryUser, filter: PermissionsFilter = {}): Generator<undefined, Record<string, UserPermissions>> {
    return userPermissions(this.#world, asUser(user), filter, new WorkBudget(QUESTION_STEPS))
  }

  /** The tenants in which the user has a role. */
  userTenants (user: string | QueryUser): TenantView[] {
    return runSync(this.stepsOfUserTenants(user))
  }

  /** {@link Engine.userTenants} in steps. */
  stepsOfUserTenants (user: string | QueryUser): Generator<undefined, TenantView[]> {
    return userTenants(this.#world, asUser(user), new WorkBudget(QUESTION_STEPS))
  }

  /**
   * All users who are allowed by a role, and with `context.enable_abac_authorized_users` also by a condition, with the roles or user sets
   * that allow them.
   */
  authorizedUsers (query: Omit<EngineQuery, 'user'>): AuthorizedUsers {
    return runSync(this.stepsOfAuthorizedUsers(query))
  }

  /** {@link Engine.authorizedUsers} in steps. */
  stepsOfAuthorizedUsers (query: Omit<EngineQuery, 'user'>): Generator<undefined, AuthorizedUsers> {
    return authorizedUsers(this.#world, query, new WorkBudget(QUESTION_STEPS))
  }

  get #world (): World {
    const userOf = (user: QueryUser): UserNode | undefined => this.#userOf(user)
    return { schema: this.#schema, facts: this.facts, deniesUnknown: this.#deniesUnknown, clock: this.#now, userOf }
  }

  /** The user with the roles that the question gives. */
  #userOf ({ key, roles }: QueryUser): UserNode | undefined {
    if (roles === undefined) return this.facts.userNode(key)
    return withGivenRoles(key, roles, this.facts, this.#schema.roles, this.#onUnknownRole)
  }

  /** RBAC's denial in a tenant that does not exist, or for a user who was never synced. */
  #unknown ({ resource }: EngineQuery): Verdict {
    return this.#isTenant(resource.tenant) ? DENIED.userNotSynced : DENIED.noSuchTenant
  }

  #isTenant (key: string): boolean {
    return key === NO_TENANT || this.facts.tenantNode(key) !== undefined
  }

  /** The tenant in which roles on an instance count: that of the query, or without one that of the instance. */
  #tenantOf (query: EngineQuery): TenantNode | undefined {
    const { tenant } = query.resource
    return tenant === NO_TENANT ? this.#instance(query)?.tenant ?? this.facts.tenantNode(DEFAULT_TENANT) : this.facts.tenantNode(tenant)
  }

  #allowedByRole ({ user, action, resource }: EngineQuery): boolean {
    const permission = this.#schema.types.get(resource.type)?.permissions.get(action)
    const node = this.#userOf(user)
    return permission !== undefined && node !== undefined && decideRbac(permission, node, node.rolesIn(resource.tenant)).allow
  }

  #decideBeyondRoles (
    query: EngineQuery, permission: CompiledPermission, user: UserNode | undefined, rbac: Verdict, work: WorkBudget
  ): Verdict {
    work.begin()
    const tenant = this.#tenantOf(query)
    let denied = rbac
    let validFor: number | undefined
    const instance = this.#instance(query)
    if (permission.rules !== null) {
      const attributes = new AttributesOfQuery(query, user, tenant, instance, this.#now, work)
      const abac = decideAbac(permission.rules, attributes)
      validFor = attributes.validFor
      if (abac.allow) return bounded(abac, validFor)
      denied = abac
    }
    if (permission.held !== null && query.resource.key !== undefined && user !== undefined && tenant !== undefined) {
      const rebac = decideRebac(permission.held, user, tenant, instance, work)
      if (rebac.allow) return rebac
      denied = rebac
    }
    const isOfRoles = rbac.code === 'no_permission' || rbac === DENIED.noSuchTenant || rbac === DENIED.userNotSynced
    return bounded(isOfRoles ? rbac : denied, validFor)
  }

  #debug (query: EngineQuery, { permission, user, tenant }: Found, work: WorkBudget): Debug {
    const instance = this.#instance(query)
    const { rules, held } = permission
    const rbac = user === undefined || tenant === undefined
      ? explainUnknown(this.#unknown(query).code, query, this.#schema, this.facts)
      : explainRbac(decideRbac(permission, user, user.rolesIn(query.resource.tenant)), permission, user, query.resource.tenant)
    if ((user === undefined || tenant === undefined) && this.#deniesUnknown) return { rbac }
    const attributes = new AttributesOfQuery(query, user, tenant, instance, this.#now, work)
    const rebac = held === null || query.resource.key === undefined || user === undefined || tenant === undefined
      ? undefined
      : explainRebac(decideRebac(held, user, tenant, instance, work), held, permission, user, tenant, instance, query, work)
    const isDenied = !rbac.allow && rebac?.allow !== true
    const abac = rules === null
      ? (isDenied ? this.#withoutRules(query, attributes) : {})
      : { abac: explainAbac(decideAbac(rules, attributes), rules, permission, attributes, query, isDenied) }
    return { rbac, ...abac, ...(rebac === undefined ? {} : { rebac }) }
  }

  /** ABAC's part of an explanation when no rule covers the permission. */
  #withoutRules (query: EngineQuery, attributes: AttributesOfQuery): Pick<Debug, 'abac'> {
    return this.#schema.hasSets ? { abac: explainWithoutRules(query, this.#schema, attributes) } : {}
  }

  #trace (query: EngineQuery, { permission, user, tenant }: Found): ModelsTrace {
    const instance = this.#instance(query)
    const { rules, held } = permission
    const asksInstance = query.resource.key !== undefined
    const rebac = held === null || user === undefined || tenant === undefined
      ? undefined
      : traceRebac(held, user, tenant, instance, asksInstance)
    return {
      rbac: traceRbac(permission, user, query.resource.tenant),
      ...(rules === null ? {} : { abac: traceAbac(rules, new AttributesOfQuery(query, user, tenant, instance, this.#now)) }),
      ...(rebac === undefined ? {} : { rebac })
    }
  }

  #find (query: EngineQuery): Found | undefined {
    const permission = this.#schema.types.get(query.resource.type)?.permissions.get(query.action)
    if (permission === undefined) return undefined
    return { permission, tenant: this.#tenantOf(query), user: this.#userOf(query.user) }
  }

  #instance ({ resource: { type, key } }: EngineQuery): InstanceNode | undefined {
    return key === undefined ? undefined : this.facts.instanceNode(type, key)
  }
}

function asUser (user: string | QueryUser): QueryUser {
  return typeof user === 'string' ? { key: user } : user
}

/** The verdict, with the time that it is valid for. Verdicts are shared, so it is a copy. */
function bounded (verdict: Verdict, validFor: number | undefined): Verdict {
  return validFor === undefined ? verdict : { ...verdict, validFor }
}

/** The result, or undefined when it exceeds the work budget: a decision is valid without its explanation. */
function within<T> (work: WorkBudget, make: () => T): T | undefined {
  try {
    work.begin()
    return make()
  } catch (error) {
    if (error instanceof WorkLimitError) return undefined
    throw error
  }
}
