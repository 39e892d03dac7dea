// What would turn a denial into an allow: the smallest changes of facts or policy. Each is verified on a copy of the facts.

import { isOfClock } from '../decide/clock.js'
import { isRecord } from '../../kit/is-record.js'
import { shorten } from '../../kit/shorten.js'
import { WorkLimitError } from '../decide/work-budget.js'
import { Engine, type UnknownPolicy } from '../engine.js'
import { NO_TENANT, type EngineQuery } from '../engine-query.js'
import { FactsError, type RoleAssignmentFact } from '../facts/fact.js'
import type { Facts } from '../facts/facts.js'
import { compilePolicy } from '../policy/compile-policy.js'
import type { Policy } from '../policy/policy.js'
import type { CompiledSchema } from '../decide/decision-schema.js'
import type { Comparison, ConditionTrace, ModelsTrace, RoleTrace, SetTrace } from './trace.js'

/** A change of the policy, of a fact or of the question. */
export type Change =
  | { readonly kind: 'create_user' | 'create_tenant' | 'create_instance' }
  /** A role in the tenant of the question, or on an instance (`type:key`). */
  | { readonly kind: 'assign', readonly role: string, readonly on?: string }
  /** The role gets the permission; with `type`, a role on instances of that type. */
  | { readonly kind: 'grant', readonly role: string, readonly type?: string }
  /** An attribute such as `user.department` gets a value; without `value`, it is removed. */
  | { readonly kind: 'attribute', readonly attribute: string, readonly value?: unknown, readonly words: string }

/** Changes that allow together what was asked; none of them is needless. */
export type Remedy = readonly Change[]

/** A policy with its facts. */
export interface AskedWorld {
  /** The policy. Facts in it are ignored. */
  readonly policy: Policy
  readonly facts: Pick<Facts, 'getUser' | 'getTenant' | 'getResourceInstance' | 'roleAssignmentsNear' | 'relationshipTuplesNear'>
  readonly unknown?: UnknownPolicy
  /** The instant of the question, ms since 1970. Default: conditions on `now` are false, and assignments with an end do not count. */
  readonly now?: number
}

/** The most assignments and instances that are copied. The facts of one question are seldom more than some ten. */
const MAX_COPIED = 2_000

/** The most sets of changes that are tried, and that are returned. */
const MAX_TRIED = 80
const MAX_REMEDIES = 10

/** The most alternatives of one condition, rules that are tried, and roles that a permission is given to. */
const MAX_ALTERNATIVES = 8
const MAX_RULES = 40
const MAX_GRANTS = 3

/** Levels of derivations that an assignment is looked for in. */
const MAX_DEPTH = 4

/** Characters of a value in words. */
const MAX_VALUE = 80

/** What comes first, of changes of equal number. */
const ORDER: readonly Change['kind'][] = ['assign', 'attribute', 'grant', 'create_user', 'create_tenant', 'create_instance']

/**
 * The smallest changes that would allow a query, in steps: the fewest changes first. Empty for a query that is allowed, and for a type or
 * an action that the policy does not have. Undefined when it is about too many facts.
 */
export function * stepsOfWhatWouldAllow (world: AskedWorld, query: EngineQuery): Generator<undefined, Remedy[] | undefined> {
  const trial = Trial.of(world, query)
  if (trial === undefined || trial.allows([])) return trial === undefined ? undefined : []
  const remedies: Remedy[] = []
  for (const candidate of candidatesOf(trial)) {
    yield
    if (!trial.allows(candidate)) continue
    const smallest = trial.reduce(candidate)
    if (!remedies.some(known => covers(smallest, known))) remedies.push(smallest)
  }
  const rank = (remedy: Remedy): number => Math.max(...remedy.map(({ kind }) => ORDER.indexOf(kind)))
  const smallest = remedies.filter(one => !remedies.some(other => other !== one && other.length < one.length && covers(one, other)))
  return smallest.sort((a, b) => a.length - b.length || rank(a) - rank(b)).slice(0, MAX_REMEDIES)
}

/** A change as a phrase: `assign role 'editor' to 'ann' in tenant 'default'`. */
export function wordsOf (change: Change, { user, action, resource: { type, key, tenant } }: EngineQuery): string {
  const name = (text: string): string => `'${shorten(text, 100)}'`
  switch (change.kind) {
    case 'create_user': return `create user ${name(user.key)}`
    case 'create_tenant': return `create tenant ${name(tenant)}`
    case 'create_instance': return `create resource instance ${name(`${type}:${key}`)} in tenant ${name(tenant)}`
    case 'attribute': return change.words
    case 'grant': {
      const role = `${name(change.role)}${change.type === undefined ? '' : ` of ${change.type}`}`
      return `give role ${role} the permission '${type}:${action}'`
    }
    case 'assign': {
      const where = change.on === undefined ? `in tenant ${name(tenant)}` : `on ${name(change.on)}`
      return `assign role ${name(change.role)} to ${name(user.key)} ${where}`
    }
  }
}

/** Whether the first has all changes of the second. */
function covers (remedy: Remedy, other: Remedy): boolean {
  const changes = new Set(remedy.map(change => JSON.stringify(change)))
  return other.every(change => changes.has(JSON.stringify(change)))
}

/** The facts that one query depends on, copied, and changes tried on further copies. */
class Trial {
  readonly query: EngineQuery
  /** What must be made before a role can be assigned. */
  readonly creations: readonly Change[]
  readonly #world: AskedWorld
  readonly #schema: CompiledSchema
  readonly #schemas = new Map<string, CompiledSchema>()
  readonly #instances: ReadonlySet<string>

  /** Undefined for too many facts. */
  static of (world: AskedWorld, query: EngineQuery): Trial | undefined {
    const instances = instancesOf(world, query)
    if (instances === undefined) return undefined
    let count = 0
    const assignments = world.facts.roleAssignmentsNear({ user: query.user.key })
    while (assignments.next().done !== true) if (++count > MAX_COPIED) return undefined
    return new Trial(world, query, instances)
  }

  private constructor (world: AskedWorld, query: EngineQuery, instances: ReadonlySet<string>) {
    this.#world = world
    this.query = query
    this.#instances = instances
    this.#schema = compilePolicy(schemaOnly(world.policy)).schema
    const { facts } = world
    const { type, key, tenant } = query.resource
    const hasRoles = Object.keys(world.policy.resources?.[type]?.roles ?? {}).length > 0
    this.creations = [
      ...(facts.getTenant(tenant) === undefined && tenant !== NO_TENANT ? [{ kind: 'create_tenant' } as const] : []),
      ...(facts.getUser(query.user.key) === undefined ? [{ kind: 'create_user' } as const] : []),
      ...(hasRoles && key !== undefined && facts.getResourceInstance(`${type}:${key}`) === undefined
        ? [{ kind: 'create_instance' } as const]
        : [])
    ]
  }

  /** The trace with everything created that is missing. */
  get models (): ModelsTrace | undefined {
    const made = this.#make(this.creations)
    return made?.engine.trace(made.query).models
  }

  allows (changes: readonly Change[]): boolean {
    try {
      const made = this.#make(changes)
      return made?.engine.decide(made.query).allow === true
    } catch (error) {
      if (error instanceof WorkLimitError) return false
      throw error
    }
  }

  /** Leaves out what is not needed. */
  reduce (changes: readonly Change[]): Remedy {
    const needless = changes.find(change => this.allows(changes.filter(other => other !== change)))
    return needless === undefined ? changes : this.reduce(changes.filter(other => other !== needless))
  }

  /** Undefined when the changes cannot be made. */
  #make (changes: readonly Change[]): { readonly engine: Engine, readonly query: EngineQuery } | undefined {
    const { unknown, now } = this.#world
    const clock = now === undefined ? {} : { now: () => now }
    const engine = new Engine(undefined, { ...(unknown === undefined ? {} : { unknown }), ...clock })
    engine.use(this.#schemaWith(changes))
    this.#copyFacts(engine.facts)
    try {
      let { query } = this
      for (const change of changes) query = apply(change, engine.facts, query)
      return { engine, query }
    } catch (error) {
      if (error instanceof FactsError) return undefined
      throw error
    }
  }

  #schemaWith (changes: readonly Change[]): CompiledSchema {
    const [grant] = changes.filter(change => change.kind === 'grant')
    if (grant === undefined) return this.#schema
    const name = JSON.stringify(grant)
    let schema = this.#schemas.get(name)
    if (schema === undefined) {
      schema = compilePolicy(withGrant(schemaOnly(this.#world.policy), grant, this.query)).schema
      this.#schemas.set(name, schema)
    }
    return schema
  }

  #copyFacts (copy: Facts): void {
    const { facts } = this.#world
    const { user: { key }, resource: { tenant } } = this.query
    const addTenant = (key: string): void => {
      const fact = facts.getTenant(key)
      if (fact !== undefined) copy.upsertTenant(fact)
    }
    addTenant(tenant)
    const user = facts.getUser(key)
    if (user !== undefined) copy.upsertUser(user)
    for (const id of this.#instances) {
      const fact = facts.getResourceInstance(id)
      if (fact === undefined) continue
      addTenant(fact.tenant)
      copy.upsertResourceInstance(fact)
    }
    for (const id of this.#instances) for (const tuple of facts.relationshipTuplesNear({ object: id })) copy.addRelationshipTuple(tuple)
    for (const assignment of facts.roleAssignmentsNear({ user: key })) {
      const { resource_instance: on } = assignment
      if (on !== undefined && !this.#instances.has(on)) continue
      addTenant(assignment.tenant)
      copy.assignRole(assignment)
    }
  }
}

/** The instance of the query, and those that its roles may be derived from. */
function instancesOf ({ facts }: AskedWorld, { resource: { type, key } }: EngineQuery): ReadonlySet<string> | undefined {
  const found = new Set(key === undefined ? [] : [`${type}:${key}`])
  for (const object of found) {
    for (const { subject } of facts.relationshipTuplesNear({ object })) {
      found.add(subject)
      if (found.size > MAX_COPIED) return undefined
    }
  }
  return found
}

/** A copy without facts and without what decides no query. */
function schemaOnly (policy: Policy): Policy {
  const { resources = {}, roles = {}, user_sets: userSets = {}, resource_sets: resourceSets = {}, set_rules: rules = [] } = policy
  return { resources, roles, user_sets: userSets, resource_sets: resourceSets, set_rules: rules }
}

/** What has roles: a policy, or a resource type. */
interface WithRoles { readonly roles?: Record<string, unknown> }

function withGrant (policy: Policy, { role, type }: Extract<Change, { kind: 'grant' }>, { action, resource }: EngineQuery): Policy {
  const copy = structuredClone(policy) as WithRoles & { readonly resources?: Readonly<Record<string, WithRoles>> }
  const roles = type === undefined ? copy.roles : copy.resources?.[type]?.roles
  if (roles === undefined) return policy
  const { permissions = [], ...others } = (roles[role] ?? {}) as { permissions?: string[] }
  roles[role] = { ...others, permissions: [...permissions, type === undefined ? `${resource.type}:${action}` : action] }
  return copy as Policy
}

/** Makes the change. Returns the query with it. */
function apply (change: Change, facts: Facts, query: EngineQuery): EngineQuery {
  const { user, resource } = query
  const { type, key = '', tenant } = resource
  switch (change.kind) {
    case 'create_user':
      facts.upsertUser({ key: user.key })
      return query
    case 'create_tenant':
      facts.upsertTenant({ key: tenant })
      return query
    case 'create_instance':
      facts.upsertResourceInstance({ resource: type, key, tenant })
      return query
    case 'assign':
      facts.assignRole({ user: user.key, role: change.role, ...placeOf(change, facts, tenant) })
      return query
    case 'attribute':
      return setAttribute(change, facts, query)
    case 'grant':
      return query
  }
}

/** The tenant also says where an instance belongs that is not there yet. */
function placeOf ({ on }: Extract<Change, { kind: 'assign' }>, facts: Facts, tenant: string): Partial<RoleAssignmentFact> {
  if (on === undefined) return { tenant }
  return facts.getResourceInstance(on) === undefined ? { resource_instance: on, tenant } : { resource_instance: on }
}

/** Sets an attribute where it is stored, and in the query, which takes precedence, where it is there or nothing is stored. */
function setAttribute ({ attribute, value }: Extract<Change, { kind: 'attribute' }>, facts: Facts, query: EngineQuery): EngineQuery {
  const [scope, ...path] = attribute.split('.')
  const [first = ''] = path
  const { user, resource } = query
  switch (scope) {
    case 'user':
    case 'subject': {
      const stored = facts.getUser(user.key)
      if (stored !== undefined) facts.upsertUser({ ...stored, ...setOfUser(stored, path, value) })
      if (stored !== undefined && !has(user.attributes, first) && !has(user, first)) return query
      return { ...query, user: { ...user, ...setOfUser(user, path, value) } }
    }
    case 'resource': {
      const stored = resource.key === undefined ? undefined : facts.getResourceInstance(`${resource.type}:${resource.key}`)
      if (stored !== undefined) facts.upsertResourceInstance({ ...stored, attributes: withValue(stored.attributes, path, value) })
      if (stored !== undefined && !has(resource.attributes, first)) return query
      return { ...query, resource: { ...resource, attributes: withValue(resource.attributes, path, value) } }
    }
    case 'tenant': {
      const stored = facts.getTenant(resource.tenant)
      if (stored !== undefined) facts.upsertTenant({ ...stored, attributes: withValue(stored.attributes, path, value) })
      return query
    }
    default:
      return { ...query, context: withValue(query.context, path, value) }
  }
}

const OF_USERS = ['email', 'first_name', 'last_name']

function setOfUser (user: { readonly attributes?: Readonly<Record<string, unknown>> }, path: readonly string[], value: unknown): object {
  const [first = ''] = path
  return path.length === 1 && OF_USERS.includes(first) ? { [first]: value } : { attributes: withValue(user.attributes, path, value) }
}

function has (values: object | undefined, name: string): boolean {
  return values !== undefined && Object.hasOwn(values, name)
}

/** A copy with another value at the path; undefined removes it. */
function withValue (values: unknown, [name = '', ...rest]: readonly string[], value: unknown): Record<string, unknown> {
  const { [name]: before, ...others } = isRecord(values) ? values : {}
  const after = rest.length === 0 ? value : withValue(before, rest, value)
  return after === undefined ? others : { ...others, [name]: after }
}

/** What may allow the query, the fewest changes first. */
function candidatesOf (trial: Trial): Remedy[] {
  const { models, creations, query } = trial
  if (models === undefined) return []
  const { rbac, abac, rebac } = models
  const { type } = query.resource
  const assigned = rbac.holders.map((role): Change[] => [{ kind: 'assign', role }])
  const roles = rebac?.instance === 'looked_at' ? rebac.roles ?? [] : []
  const onInstances = roles.filter(({ holds }) => holds === true).flatMap(role => [...assignmentsFor(role, 0)]).map(change => [change])
  const byRules = (abac?.rules ?? [])
    .map(rule => cross([alternativesOf(rule.user_set), alternativesOf(rule.resource_set)]))
    .sort((a, b) => (a[0]?.length ?? Infinity) - (b[0]?.length ?? Infinity)).slice(0, MAX_RULES).flat()
  const grants = [
    ...rbac.roles.filter(({ holds }) => !holds).slice(0, MAX_GRANTS).map(({ role }): Change[] => [{ kind: 'grant', role }]),
    ...roles.filter(({ has, holds }) => has && holds !== true).slice(0, MAX_GRANTS)
      .map(({ role }): Change[] => [{ kind: 'grant', role, type }])
  ]
  const all = [[], ...assigned, ...onInstances, ...byRules, ...grants].sort((a, b) => a.length - b.length).slice(0, MAX_TRIED)
  return all.map(changes => [...creations, ...changes])
}

/** Assignments that give the role on its instance, directly or by derivation. */
function * assignmentsFor ({ role, resource_instance: on, derivations = [] }: RoleTrace, depth: number): Generator<Change> {
  yield { kind: 'assign', role, on }
  if (depth === MAX_DEPTH) return
  for (const { subjects } of derivations) for (const subject of subjects) yield * assignmentsFor(subject, depth + 1)
}

/** How a set can be made to match. */
function alternativesOf ({ key, kind, matched, condition }: SetTrace): Remedy[] {
  if (matched) return [[]]
  if (kind === 'role') return [[{ kind: 'assign', role: key }]]
  return condition === undefined ? [] : flip(condition, true)
}

/** How a condition can be made to be met, or not. */
function flip (condition: ConditionTrace, wanted: boolean): Remedy[] {
  if (condition.matched === wanted) return [[]]
  // Nobody changes the time.
  if ('attribute' in condition && isOfClock(condition.attribute)) return []
  if (!('conditions' in condition)) return (wanted ? fulfil(condition) : defeat(condition)).map(change => [change])
  const { operator, conditions } = condition
  // `not` is true when none of its conditions is.
  const parts = conditions.map(part => flip(part, operator === 'not' ? !wanted : wanted))
  const needsAll = operator === 'anyOf' ? !wanted : wanted
  return needsAll ? cross(parts) : parts.flat().sort((a, b) => a.length - b.length).slice(0, MAX_ALTERNATIVES)
}

/** One alternative of each, in all ways. */
function cross (parts: ReadonlyArray<readonly Remedy[]>): Remedy[] {
  return parts.reduce<Remedy[]>((made, alternatives) => {
    const longer = made.flatMap(before => alternatives.map(after => [...before, ...after]))
    return longer.sort((a, b) => a.length - b.length).slice(0, MAX_ALTERNATIVES)
  }, [[]])
}

function defeat ({ attribute, operator, operand }: Comparison): Change[] {
  if (operator === 'equals' && typeof operand === 'boolean') return [set(attribute, !operand)]
  return [{ kind: 'attribute', attribute, words: `remove ${attribute}` }]
}

/** The value that meets a comparison, in words that show nothing but what the policy says. */
function fulfil ({ attribute, operator, operand, value, ref }: Comparison): Change[] {
  if (operand === undefined) return []
  const known = Array.isArray(value) ? value as unknown[] : []
  const items = Array.isArray(operand) ? operand as unknown[] : []
  const changed = (value: unknown, words: string): Change[] => [{ kind: 'attribute', attribute, value, words }]
  const as = (value: unknown): Change[] => {
    if (value === undefined) return []
    return ref === undefined ? [set(attribute, value)] : changed(value, `set ${attribute} to fit ${ref} (${operator})`)
  }
  const add = (added: readonly unknown[]): Change[] =>
    added.length === 0 ? [] : changed([...known, ...added], `add ${ref ?? added.map(valueInWords).join(', ')} to ${attribute}`)
  switch (operator) {
    case 'equals': return ref === undefined ? as(operand) : changed(operand, `set ${attribute} to what ${ref} is`)
    case 'less-than-equals':
    case 'greater-than-equals':
    case 'contains':
      return as(operand)
    case 'not-equals': return changed(differentFrom(operand), `set ${attribute} to another value than ${ref ?? valueInWords(operand)}`)
    case 'less-than': return typeof operand === 'number' ? as(operand - 1) : []
    case 'greater-than': return typeof operand === 'number' ? as(operand + 1) : []
    case 'in':
    case 'between': return as(items[0])
    case 'array_contains': return add([operand])
    case 'array_superset': return add(items)
    case 'array_intersect': return add(items.slice(0, 1))
    case 'array_subset': return as(items.slice(0, 1))
    default: return []
  }
}

function differentFrom (value: unknown): unknown {
  if (typeof value === 'boolean') return !value
  return typeof value === 'number' ? value + 1 : `not ${String(value)}`
}

function set (attribute: string, value: unknown): Change {
  return { kind: 'attribute', attribute, value, words: `set ${attribute} to ${valueInWords(value)}` }
}

function valueInWords (value: unknown): string {
  return shorten(JSON.stringify(value) ?? String(value), MAX_VALUE)
}
