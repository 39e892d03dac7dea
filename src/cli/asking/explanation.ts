// A decision as a tree of sentences, from the trace of the engine or the debug output of a PDP.
import type { Query } from '../../contract/point.js'
import type {
  AbacTrace, Comparison, ConditionTrace, DecisionTrace, RbacTrace, RebacTrace, RoleTrace, SetTrace
} from '../../engine/explain/trace.js'
import { isRecord } from '../../kit/is-record.js'
import { listOf } from '../../kit/list-names.js'
import type { Branch } from '../terminal/tree.js'
import type { Answer, Authority, PolicyAuthority } from './authority-types.js'
import { isNoPlan, planInWords } from './plan-words.js'
import { planOf, treeOf, type Planned } from './planned.js'
import { sentenceOf } from './question.js'

/** Characters of a value in the tree. */
const MAX_VALUE = 120

/** Names in a list; the others are only counted. */
const MAX_NAMES = 8

/** Levels of a PDP's debug output in the tree. */
const MAX_DEPTH = 8

/** A decision with its trace or debug output, and the same as a tree. */
export interface ExplainedDecision {
  readonly decision: (DecisionTrace | Answer) & Partial<Planned>
  readonly tree: Branch
}

interface RowsTrace extends Partial<Planned> {
  readonly tree: Branch
}

/** Asks for a decision and its explanation. */
export async function explain (authority: Authority, query: Query): Promise<ExplainedDecision> {
  if (authority.kind === 'policy') {
    const decision = authority.engine.trace(query)
    const tree = treeOfTrace(query, decision)
    const planned = await rowsOf(authority, query)
    if (planned === undefined) return { decision, tree }
    const { plan, branches } = planned
    return { decision: { ...decision, plan, branches }, tree: { ...tree, branches: [...tree.branches ?? [], planned.tree] } }
  }
  const decision = await authority.ask(query)
  return { decision, tree: treeOfAnswer(query, decision) }
}

/** Which rows of a table the user may act on, where the question names no resource and the answer depends on it. */
async function rowsOf (authority: PolicyAuthority, { user, action, resource, context }: Query): Promise<RowsTrace | undefined> {
  const { type, tenant } = resource
  if (resource.key !== undefined || resource.attributes !== undefined) return undefined
  try {
    const { plan, branches } = await planOf(authority, { user, action, type, tenant, context })
    if (plan.kind !== 'some') return undefined
    return { plan, branches, tree: { mark: true, text: `LISTS: may ${action} ${planInWords(plan)}`, branches: treeOf(branches) } }
  } catch (error) {
    if (!isNoPlan(error)) throw error
    return { tree: { text: `LISTS: there is no plan: ${error.message}` } }
  }
}

/** The tree of a decision of the engine. */
function treeOfTrace (query: Query, { allow, code, reason, models }: DecisionTrace): Branch {
  const root = verdict(query, { allow, code })
  if (models === undefined) return { ...root, branches: [{ text: reason }] }
  const { type, key, tenant } = query.resource
  const permission = `${type}:${query.action}`
  return {
    ...root,
    branches: [
      rbac(models.rbac, permission, tenant),
      models.abac === undefined ? { text: `ABAC does not apply: no set rule is about ${permission}` } : abac(models.abac),
      models.rebac === undefined
        ? { text: `ReBAC does not apply: ${type} has no roles on instances` }
        : rebac(models.rebac, permission, type, key, tenant)
    ]
  }
}

/** The tree of a decision of a PDP over HTTP: its debug output. */
function treeOfAnswer (query: Query, { allow, code, reason, debug }: Answer): Branch {
  const branches = isRecord(debug) ? Object.entries(debug).map(([name, value]) => ofDebug(name, value, 0)) : []
  if (branches.length === 0) branches.push({ text: reason ?? 'the PDP gave neither a reason nor debug output' })
  return { ...verdict(query, { allow, ...(code === undefined ? {} : { code }) }), branches }
}

function verdict (query: Query, { allow, code }: Pick<Answer, 'allow' | 'code'>): Branch {
  return { mark: allow, text: `${sentenceOf(query, allow ? 'may' : 'may not')}${code === undefined || allow ? '' : ` (${code})`}` }
}

function rbac ({ allow, roles, holders, elsewhere }: RbacTrace, permission: string, tenant: string): Branch {
  const branches: Branch[] = roles.map(({ role, holds, reason }) =>
    ({ mark: holds, text: `has role ${role} in ${tenant}${holds ? `: ${reason}` : `, which does not hold ${permission}`}` }))
  if (roles.length === 0) branches.push({ mark: false, text: `has no role in ${tenant}` })
  if (elsewhere.length > 0) {
    const tenants = elsewhere.map(({ tenant, roles }) => `${list(roles)} in ${tenant}`)
    branches.push({ text: `roles in other tenants do not count: ${list(tenants)}` })
  }
  if (!allow) {
    branches.push({ text: holders.length === 0 ? `no role holds ${permission}` : `needed: role ${list(holders, 'or')} in ${tenant}` })
  }
  return { mark: allow, text: 'RBAC: roles in the tenant', branches }
}

function abac ({ allow, rules }: AbacTrace): Branch {
  const sorted = [...rules].sort((a, b) => Number(b.allow) - Number(a.allow) || a.index - b.index)
  return {
    mark: allow,
    text: 'ABAC: set rules',
    branches: sorted.map(rule => ({
      mark: rule.allow,
      text: `set_rules[${rule.index}]: ${rule.user_set.key} on ${rule.resource_set.key}`,
      branches: [ofSet(rule.user_set, 'the user'), ofSet(rule.resource_set, 'the resource')]
    }))
  }
}

function ofSet ({ key, kind, matched, condition }: SetTrace, what: string): Branch {
  if (kind === 'role') return { mark: matched, text: `${what} ${matched ? 'has' : 'does not have'} role ${key}` }
  if (kind === 'type') return { mark: matched, text: `any ${key} matches` }
  return {
    mark: matched,
    text: `${what} is ${matched ? '' : 'not '}in ${key}`,
    ...(condition === undefined ? {} : { branches: branchesOf(condition) })
  }
}

/** An outermost `allOf` is left out, unless it is empty. */
function branchesOf (condition: ConditionTrace): Branch[] {
  if (!('conditions' in condition) || condition.operator !== 'allOf' || condition.conditions.length === 0) return [ofCondition(condition)]
  return condition.conditions.map(ofCondition)
}

function ofCondition (condition: ConditionTrace): Branch {
  return 'conditions' in condition ? group(condition) : comparison(condition)
}

function group ({ matched, operator, conditions }: Extract<ConditionTrace, { readonly conditions: unknown }>): Branch {
  const words = { allOf: 'all of', anyOf: 'any of', not: 'none of' }[operator]
  return { mark: matched, text: conditions.length === 0 ? `${words} nothing` : words, branches: conditions.map(ofCondition) }
}

function comparison (trace: Comparison): Branch {
  const { matched, attribute, operator, ref } = trace
  const ofRef = 'operand' in trace ? `${ref}, which is ${valueOf(trace.operand)}` : `${ref}, which is missing`
  const expected = ref === undefined ? valueOf(trace.operand) : ofRef
  const is = 'value' in trace ? `is ${valueOf(trace.value)}` : 'is missing'
  return { mark: matched, text: `${attribute} ${is}; expected: ${operator} ${expected}` }
}

function rebac (trace: RebacTrace, permission: string, type: string, key: string | undefined, tenant: string): Branch {
  const { allow, holders, instance, roles = [], omitted = 0 } = trace
  const title = { mark: allow, text: 'ReBAC: roles on the instance' }
  const on = `${type}:${key}`
  const where = key === undefined ? `an instance, but the question names none (${type}:<key>)` : on
  const needed = {
    text: holders.length === 0 ? `no role on a ${type} holds ${permission}` : `needed: role ${list(holders, 'or')} on ${where}`
  }
  switch (instance) {
    case 'not_asked_about':
      return { ...title, branches: [needed] }
    case 'unknown':
      return { ...title, branches: [{ mark: false, text: `${on} is not a known instance, so no user has a role on it` }, needed] }
    case 'in_another_tenant':
      return {
        ...title,
        branches: [{ mark: false, text: `${on} belongs to ${trace.tenant}; roles on it do not count in ${tenant}` }, needed]
      }
    case 'looked_at': {
      // A role that the user neither has nor needs explains nothing.
      const branches = roles.filter(({ has, holds }) => has || holds === true).map(role => ofRole(role, permission))
      if (omitted > 0) branches.push({ text: `and ${omitted} more steps` })
      return { ...title, branches: allow ? branches : [...branches, needed] }
    }
  }
}

function ofRole (role: RoleTrace, permission: string): Branch {
  const { has, holds, resource_instance: on } = role
  // A role of the user that does not hold the permission is shown as a no.
  if (has && holds === false) return { mark: false, text: `has role ${role.role} on ${on}, which does not hold ${permission}` }
  return step(role, holds === true && has ? `, which holds ${permission}` : '')
}

function step ({ role, resource_instance: on, has, assigned, derivations = [] }: RoleTrace, more: string): Branch {
  if (assigned) return { mark: true, text: `has role ${role} on ${on}${more}: assigned` }
  const branches = derivations
    .filter(({ subjects }) => !has || subjects.some(subject => subject.has))
    .flatMap(({ role, on_resource: type, relation, switched_off: off, subjects }): Branch[] => {
      if (off === true) {
        return [{ mark: false, text: `not derived by ${relation}: the user has a role on ${on} itself, which switches it off` }]
      }
      if (subjects.length === 0) return [{ mark: false, text: `no ${type} is ${relation} of it` }]
      return subjects.filter(subject => !has || subject.has).map(subject => {
        const branch = step(subject, '')
        const text = subject.has ? branch.text : `does not have role ${role} on it`
        return { ...branch, text: `${relation} ${subject.resource_instance}: ${text}` }
      })
    })
  return { mark: has, text: has ? `has role ${role} on ${on}${more}: derived` : `does not have role ${role} on ${on}`, branches }
}

function ofDebug (name: string, value: unknown, depth: number): Branch {
  if (!isRecord(value) && !Array.isArray(value)) return { text: `${name}: ${valueOf(value)}` }
  const entries: Array<[string, unknown]> = Array.isArray(value)
    ? value.map((item, index) => [String(index + 1), item])
    : Object.entries(value)
  if (entries.every(([, item]) => typeof item !== 'object' || item === null) && Array.isArray(value)) {
    return { text: `${name}: ${list(value.map(item => valueOf(item)))}` }
  }
  if (depth === MAX_DEPTH) return { text: `${name}: …` }
  const mark = isRecord(value) && typeof value['allow'] === 'boolean' ? value['allow'] : undefined
  const branches = entries.filter(([key]) => mark === undefined || key !== 'allow').map(([key, item]) => ofDebug(key, item, depth + 1))
  return { text: name, branches, ...(mark === undefined ? {} : { mark }) }
}

function valueOf (value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length <= MAX_VALUE ? text : `${text.slice(0, MAX_VALUE)}…`
}

function list (names: readonly string[], last: 'and' | 'or' = 'and'): string {
  return listOf(names, MAX_NAMES, last)
}
