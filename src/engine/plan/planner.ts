// Creates plans: the rows that a user may act on, as a condition. The policy is evaluated for an unknown row (partial evaluation).
import { AttributesOfQuery, type CompiledRule, type CompiledSet } from '../decide/abac.js'
import { decideRbac } from '../decide/rbac.js'
import { Conditions, isField, type Outcome } from './plan-conditions.js'
import { reachOf, type Giver } from './reachable-instances.js'
import { RowCondition, type RowFields } from './row-condition.js'
import { suggest } from '../../kit/suggest.js'
import { runSync } from '../../kit/time-slices.js'
import { NoPlanError, type Planning, type PlanQuery } from './plan-query.js'
import { QUESTION_STEPS, WorkBudget, type WorkPlace } from '../decide/work-budget.js'
import { splitCondition, type Attribute, type Part } from './split-condition.js'
import type { CompiledPermission, CompiledType } from '../decide/decision-schema.js'
import type { CompiledDerivation } from '../decide/derivation.js'
import type { TenantNode, UserNode } from '../facts/fact-nodes.js'
import type { Facts } from '../facts/facts.js'
import type { Condition, Plan } from './plan-contract.js'

/** A part of a plan, and its source in the policy, for messages. */
export interface PlanBranch {
  /**
   * `role 'admin' in the tenant`, `set_rules[2]: user set 'staff' on resource set 'own'`,
   * `role 'editor' on instances of 'document': assigned`,
   * `role 'editor' on instances of 'document': from 'editor' on 'folder' by 'parent'`.
   */
  readonly because: string
  /** The part of the policy document that says so: `['set_rules', 2]`. */
  readonly path: WorkPlace
  /** `true` if it holds for every row. */
  readonly condition: Condition | true
}

/** The plan with the branches that it was put together from, before they were simplified together. */
export interface PlanTrace {
  readonly plan: Plan
  readonly branches: readonly PlanBranch[]
  /** For how long the time cannot change the plan, ms; undefined when the time does not matter. */
  readonly validFor?: number
}

/** Most phrases for one field. */
const MAX_SOURCES = 8
const NO_COLUMNS: ReadonlySet<string> = new Set()
const PARTS = new WeakMap<CompiledSet, Part>()

/** A plan of all rows of a tenant, or of none. */
function simplePlan (kind: 'all' | 'none', { type, tenant }: Pick<PlanQuery, 'type' | 'tenant'>): Plan {
  return { kind, type, tenant }
}

/** The relations as a set. @throws {@link NoPlanError} for one that the type does not have */
export function columnsOf ({ key, relations }: CompiledType, names: readonly string[] | undefined): ReadonlySet<string> {
  if (names === undefined || names.length === 0) return NO_COLUMNS
  for (const name of names) {
    if (!relations.has(name)) {
      const fix = suggest(name, [...relations.keys()], `it is not among resources.${key}.relations of the policy`)
      throw new NoPlanError(`the resource type '${key}' has no relation '${name}'; ${fix}`)
    }
  }
  return new Set(names)
}

/** Plans at once, with a branch for each role on instances and each derivation: {@link stepsOfPlan}. */
export function planNow (planning: Planning): PlanTrace {
  return runSync(stepsOfPlan(planning, new Map()))
}

/**
 * Plans by all three models, in steps: which rows of a table the user may act on. It is what the engine decides of each row.
 *
 * @param givers - where the branches are for people: an empty map. Otherwise all roles on instances are one branch
 * @throws {@link NoPlanError} when there is no exact plan
 * @throws {@link WorkLimitError} when it would take too much work
 */
export function * stepsOfPlan (planning: Planning, givers?: Map<Giver, string[]>): Generator<undefined, PlanTrace> {
  const { query, type, permission, user, tenant, isAsked, facts, clock } = planning
  if (type === undefined || permission === undefined) return { plan: simplePlan('none', query), branches: [] }
  const columns = columnsOf(type, query.relations)
  const roles = user?.rolesIn(query.tenant)
  if (user !== undefined && roles !== undefined && decideRbac(permission, user, roles).allow) {
    const role = roles.find(key => permission.grantedBy.has(key)) as string
    const branch = { because: `role '${role}' in the tenant`, path: ['roles', role], condition: true as const }
    return { plan: simplePlan('all', query), branches: [branch] }
  }
  if (!isAsked) return { plan: simplePlan('none', query), branches: [] }
  const work = new WorkBudget(QUESTION_STEPS)
  const asked = {
    user: query.user,
    action: query.action,
    resource: { type: query.type, tenant: query.tenant },
    ...(query.context === undefined ? {} : { context: query.context })
  }
  const attributes = new AttributesOfQuery(asked, user, tenant, undefined, clock, work)
  const conditions = new Conditions(attributes)
  const branches = branchesOfRules(permission, query.type, attributes, conditions, facts)
  const { validFor } = attributes
  const bound = validFor === undefined ? {} : { validFor }
  const isDecided = branches.some(({ condition }) => condition === true)
  const { held } = permission
  const isHeld = held !== null && held.by.length > 0
  if (!isDecided && isHeld && user !== undefined && tenant !== undefined && user.instanceRoles !== null) {
    const { keys, subjects } = yield * reachOf(held, user, tenant, columns, work, givers)
    work.begin()
    const byColumns = branchesOfColumns(subjects, query.type, user, tenant, conditions, work)
    const condition = conditions.or([conditions.amongTexts('key', keys), ...byColumns.map(({ condition }) => condition)])
    if (condition !== false) {
      const roles = held.by.map(({ key }) => `'${key}'`).join(', ')
      const all = { because: `roles on instances that hold it: ${roles}`, path: ['resources', query.type, 'roles'], condition }
      const plan = planOfBranches(query, [...branches, all], conditions)
      if (givers === undefined) return { plan, branches: [...branches, all], ...bound }
      const byKeys = Array.from(givers, ([giver, keys]) => branchOf(giver, conditions.among('key', keys)))
      return { plan, branches: [...branches, ...byKeys, ...byColumns], ...bound }
    }
  }
  return { plan: planOfBranches(query, branches, conditions), branches, ...bound }
}

function branchesOfRules (
  { rules }: CompiledPermission, type: string, attributes: AttributesOfQuery, conditions: Conditions, facts: Facts
): PlanBranch[] {
  const branches: PlanBranch[] = []
  const { work } = attributes
  const row = new Row(type, facts)
  const partial = new RowCondition(attributes, conditions, row)
  const known = new Map<CompiledSet, Outcome>()
  const outcomeOf = (set: CompiledSet): Outcome => {
    if (set.kind !== 'condition') return set.matches(attributes)
    let outcome = known.get(set)
    if (outcome === undefined) known.set(set, outcome = row.naming(set, () => partial.of(partOf(set))))
    return outcome
  }
  for (const { set, resourceSets } of rules?.userSets ?? []) {
    work.spend(1)
    work.rule = resourceSets[0]?.index ?? -1
    const who = outcomeOf(set)
    if (who === false) continue
    for (const rule of resourceSets) {
      work.spend(1)
      work.rule = rule.index
      const condition = conditions.and([who, outcomeOf(rule.set)])
      if (condition === false) continue
      branches.push({ because: phraseOf(set, rule), path: ['set_rules', rule.index], condition })
      if (condition === true) return branches
    }
  }
  return branches
}

/** The attributes of rows, as fields. */
class Row implements RowFields {
  readonly #type: string
  readonly #facts: Facts
  #set = ''

  constructor (type: string, facts: Facts) {
    this.#type = type
    this.#facts = facts
  }

  naming<T> (set: CompiledSet, evaluate: () => T): T {
    this.#set = set.key
    return evaluate()
  }

  field ({ name, names }: Attribute): string {
    // An instance may have a type of its own stored; otherwise it is the resource's, unless the row gives one.
    if (name === 'type' && names.length === 0 && !this.#facts.storesObject(this.#type, name)) return 'type'
    return names.length === 0 ? `attributes.${name}` : `attributes.${name}.${names.join('.')}`
  }

  whole (field: string): void {
    const [, name = ''] = field.split('.')
    if (name === '' || !this.#facts.storesObject(this.#type, name)) return
    throw new NoPlanError(
      `set '${this.#set}' compares the object 'resource.${field.slice('attributes.'.length)}', and an instance of '${this.#type}' has an ` +
      `object stored as '${name}', which a check merges with the row's. Compare its members one by one in the policy ` +
      `('resource.${name}.<member>'), or do not store '${name}' with instances`
    )
  }
}

function branchesOfColumns (
  subjects: ReadonlyMap<CompiledDerivation, ReadonlySet<string>>, type: string,
  user: UserNode, tenant: TenantNode, conditions: Conditions, work: WorkBudget
): PlanBranch[] {
  let direct: string[] | undefined
  return Array.from(subjects, ([derivation, keys]) => {
    const { relation, unlessDirectRole } = derivation
    const condition = conditions.amongTexts(`relations.${relation}`, keys)
    if (!unlessDirectRole) return branchOf(derivation, condition)
    work.spend(user.instanceRoles?.size ?? 0)
    direct ??= Array.from(user.instanceRoles?.keys() ?? [])
      .filter(instance => instance.fact.resource === type && instance.tenant === tenant)
      .map(({ fact }) => fact.key)
    return branchOf(derivation, conditions.and([condition, conditions.not(conditions.among('key', direct))]))
  })
}

/** @param condition - never `false`: there is a key */
function branchOf (giver: Giver, condition: Outcome): PlanBranch {
  const { type, key, place } = 'target' in giver ? giver.target : giver
  const how = 'target' in giver ? `from '${giver.source.key}' on '${giver.source.type}' by '${giver.relation}'` : 'assigned'
  return { because: `role '${key}' on instances of '${type}': ${how}`, path: place, condition: condition as Condition | true }
}

/** The plan of branches, any of which may hold. */
function planOfBranches (query: PlanQuery, branches: readonly PlanBranch[], conditions: Conditions): Plan {
  const sources = new Map<string, Set<string>>()
  for (const { because, condition } of branches) {
    if (condition === true) continue
    eachField(condition, name => {
      const known = sources.get(name)
      if (known === undefined) sources.set(name, new Set([because]))
      else known.add(because)
    })
  }
  return planOfOutcome(query, conditions.or(branches.map(({ condition }) => condition)), sources, conditions)
}

/**
 * The plan that a condition on the rows of a tenant comes to.
 *
 * @param sources - what names each field
 */
export function planOfOutcome (
  { type, tenant }: Pick<PlanQuery, 'type' | 'tenant'>, outcome: Outcome,
  sources: ReadonlyMap<string, ReadonlySet<string>>, conditions: Conditions
): Plan {
  if (typeof outcome === 'boolean') return simplePlan(outcome ? 'all' : 'none', { type, tenant })
  const condition = conditions.and([conditions.among('tenant', [tenant]), outcome]) as Condition
  const named = new Map<string, readonly string[]>()
  eachField(condition, name => {
    const phrases = sources.get(name)
    if (phrases !== undefined && name !== 'key' && !named.has(name)) named.set(name, [...phrases].slice(0, MAX_SOURCES))
  })
  return { kind: 'some', type, tenant, condition, ...(named.size === 0 ? {} : { sources: Object.fromEntries(named) }) }
}

function eachField (condition: Condition, found: (name: string) => void): void {
  if (!isField(condition)) {
    for (const part of condition.value) eachField(part, found)
    return
  }
  if (!condition.field.startsWith('item.')) found(condition.field)
  if (condition.operator.endsWith('_field')) found(condition.value as string)
  else if (condition.operator.endsWith('_match')) eachField(condition.value as Condition, found)
}

function partOf (set: CompiledSet): Part {
  let part = PARTS.get(set)
  if (part === undefined) {
    if (set.written === undefined) {
      throw new NoPlanError(`the condition of set '${set.key}' contains a value that JSON cannot represent, such as a function`)
    }
    PARTS.set(set, part = splitCondition(set.written))
  }
  return part
}

function phraseOf (set: CompiledSet, { set: resources, index }: CompiledRule): string {
  const who = set.kind === 'role' ? `role '${set.key}'` : `user set '${set.key}'`
  return `set_rules[${index}]: ${who} on ${resources.kind === 'type' ? `every '${resources.key}'` : `resource set '${resources.key}'`}`
}
