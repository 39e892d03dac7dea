// A decision as a tree of sentences, from the trace of the engine or the debug output of a PDP. For the commands and the inspector.
import { isRecord } from '../../kit/is-record.js'
import { listOf } from '../../kit/list-names.js'
import type { EngineQuery } from '../engine-query.js'
import type {
  AbacTrace, Comparison, ConditionTrace, DecisionTrace, RbacTrace, RebacTrace, RoleTrace, SetTrace
} from './trace.js'

/** A node of a tree. */
export interface Branch {
  readonly text: string
  /** Whether the node is positive or negative; undefined if neither. */
  readonly mark?: boolean
  readonly branches?: readonly Branch[]
}

/** The decision of a PDP, as far as a tree shows it. */
export interface AnswerShown {
  readonly allow: boolean
  readonly code?: string
  readonly reason?: string
  readonly debug?: unknown
}

/** The query, as far as a tree shows it. */
type QueryShown = Pick<EngineQuery, 'action'> & {
  readonly user: { readonly key: string }
  readonly resource: { readonly type: string, readonly key?: string, readonly tenant: string }
}

/** Characters of a value in the tree. */
const MAX_VALUE = 120

/** Names in a list; the others are only counted. */
const MAX_NAMES = 8

/** Levels of a PDP's debug output in the tree. */
const MAX_DEPTH = 8

/**
 * The query as a sentence: `ada may create task in default`.
 *
 * @param may - `may` or `may not`
 */
export function sentenceOf ({ user, action, resource: { type, key, tenant } }: QueryShown, may: string): string {
  return `${user.key} ${may} ${action} ${key === undefined ? type : `${type}:${key}`} in ${tenant}`
}

/**
 * The tree of a decision of the engine.
 * @param values - whether the values of attributes are shown; those that the policy names always are
 */
export function treeOfTrace (query: QueryShown, { allow, code, reason, models }: DecisionTrace, values = true): Branch {
  const root = verdict(query, { allow, code })
  if (models === undefined) return { ...root, branches: [{ text: reason }] }
  const { type, key, tenant } = query.resource
  const permission = `${type}:${query.action}`
  return {
    ...root,
    branches: [
      rbac(models.rbac, permission, tenant),
      models.abac === undefined ? { text: `ABAC does not apply: no set rule is about ${permission}` } : abac(models.abac, values),
      models.rebac === undefined
        ? { text: `ReBAC does not apply: ${type} has no roles on instances` }
        : rebac(models.rebac, permission, type, key, tenant)
    ]
  }
}

/** The tree of a decision of a PDP over HTTP: its debug output. */
export function treeOfAnswer (query: QueryShown, { allow, code, reason, debug }: AnswerShown): Branch {
  const branches = isRecord(debug) ? Object.entries(debug).map(([name, value]) => ofDebug(name, value, 0)) : []
  if (branches.length === 0) branches.push({ text: reason ?? 'the PDP gave neither a reason nor debug output' })
  return { ...verdict(query, { allow, ...(code === undefined ? {} : { code }) }), branches }
}

function verdict (query: QueryShown, { allow, code }: Pick<AnswerShown, 'allow' | 'code'>): Branch {
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

function abac ({ allow, rules }: AbacTrace, values: boolean): Branch {
  const sorted = [...rules].sort((a, b) => Number(b.allow) - Number(a.allow) || a.index - b.index)
  return {
    mark: allow,
    text: 'ABAC: set rules',
    branches: sorted.map(rule => ({
      mark: rule.allow,
      text: `set_rules[${rule.index}]: ${rule.user_set.key} on ${rule.resource_set.key}`,
      branches: [ofSet(rule.user_set, 'the user', values), ofSet(rule.resource_set, 'the resource', values)]
    }))
  }
}

function ofSet ({ key, kind, matched, condition }: SetTrace, what: string, values: boolean): Branch {
  if (kind === 'role') return { mark: matched, text: `${what} ${matched ? 'has' : 'does not have'} role ${key}` }
  if (kind === 'type') return { mark: matched, text: `any ${key} matches` }
  return {
    mark: matched,
    text: `${what} is ${matched ? '' : 'not '}in ${key}`,
    ...(condition === undefined ? {} : { branches: branchesOf(condition, values) })
  }
}

/** An outermost `allOf` is left out, unless it is empty. */
function branchesOf (condition: ConditionTrace, values: boolean): Branch[] {
  if (!('conditions' in condition) || condition.operator !== 'allOf' || condition.conditions.length === 0) {
    return [ofCondition(condition, values)]
  }
  return condition.conditions.map(part => ofCondition(part, values))
}

function ofCondition (condition: ConditionTrace, values: boolean): Branch {
  return 'conditions' in condition ? group(condition, values) : comparison(condition, values)
}

function group ({ matched, operator, conditions }: Extract<ConditionTrace, { readonly conditions: unknown }>, values: boolean): Branch {
  const words = { allOf: 'all of', anyOf: 'any of', not: 'none of' }[operator]
  const branches = conditions.map(part => ofCondition(part, values))
  return { mark: matched, text: conditions.length === 0 ? `${words} nothing` : words, branches }
}

function comparison (trace: Comparison, values: boolean): Branch {
  const { matched, attribute, operator, ref } = trace
  const shown = (value: unknown): string => values ? valueOf(value) : '(hidden)'
  const ofRef = 'operand' in trace ? `${ref}, which is ${shown(trace.operand)}` : `${ref}, which is missing`
  const expected = ref === undefined ? valueOf(trace.operand) : ofRef
  const is = 'value' in trace ? `is ${shown(trace.value)}` : 'is missing'
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
