// Measures which parts of a policy the tests use.
import type { DecisionTrace, RoleTrace } from '../../engine/explain/trace.js'
import type { Policy } from '../../engine/policy/policy.js'
import type { Query } from '../../contract/point.js'
import { splitAtColon } from '../../kit/split-at-colon.js'
import { permissionsOf } from '../typegen/policy-names.js'

/** The parts that are counted, in the order of the output. */
export const COVERED = Object.freeze({
  permissions: 'permissions that no test checks',
  roles: 'roles that no user of a test has',
  resource_roles: 'roles on instances that no user of a test has',
  role_derivations: 'role derivations that give no user of a test a role',
  user_sets: 'user sets that no user of a test is in',
  resource_sets: 'resource sets that no resource of a test is in',
  set_rules: 'set rules that allow nothing in any test'
})

/** A kind of part that a policy has. */
export type Covered = keyof typeof COVERED

/** The coverage of a policy. */
export interface CoverageReport {
  readonly touched: number
  readonly total: number
  /** Rounded down: 100 means all. */
  readonly percent: number
  readonly untouched: Readonly<Record<Covered, readonly string[]>>
}

/** Records the parts that tests use. */
export class Coverage {
  readonly #parts: Readonly<Record<Covered, ReadonlyMap<string, string>>>
  readonly #touched: Readonly<Record<Covered, Set<string>>>

  constructor (policy: Policy) {
    this.#parts = partsOf(policy)
    this.#touched = {
      permissions: new Set(),
      roles: new Set(),
      resource_roles: new Set(),
      role_derivations: new Set(),
      user_sets: new Set(),
      resource_sets: new Set(),
      set_rules: new Set()
    }
  }

  /** Records a question and the trace of its decision. */
  record ({ action, resource }: Query, { models }: DecisionTrace): void {
    const touched = this.#touched
    touched.permissions.add(`${resource.type}:${action}`)
    for (const { role } of models?.rbac.roles ?? []) touched.roles.add(role)
    for (const { index, allow, user_set: userSet, resource_set: resourceSet } of models?.abac?.rules ?? []) {
      if (userSet.matched) touched[userSet.kind === 'role' ? 'roles' : 'user_sets'].add(userSet.key)
      if (resourceSet.matched) touched.resource_sets.add(resourceSet.key)
      if (allow) touched.set_rules.add(String(index))
    }
    for (const role of models?.rebac?.roles ?? []) this.#recordRole(role)
  }

  report (): CoverageReport {
    const kinds = Object.keys(COVERED) as Covered[]
    const untouchedOf = (kind: Covered): string[] =>
      [...this.#parts[kind]].filter(([id]) => !this.#touched[kind].has(id)).map(([, text]) => text)
    const untouched = Object.fromEntries(kinds.map(kind => [kind, untouchedOf(kind)])) as unknown as CoverageReport['untouched']
    const total = sum(kinds.map(kind => this.#parts[kind].size))
    const touched = total - sum(kinds.map(kind => untouched[kind].length))
    return { touched, total, percent: total === 0 ? 100 : Math.floor(100 * touched / total), untouched }
  }

  #recordRole ({ role, resource_instance: on, has, derivations = [] }: RoleTrace): void {
    if (!has) return
    const type = splitAtColon(on).before
    this.#touched.resource_roles.add(roleOn(type, role))
    for (const derivation of derivations) {
      if (derivation.subjects.some(subject => subject.has)) {
        this.#touched.role_derivations.add(derivedRole(type, role, derivation.relation, derivation.on_resource, derivation.role))
      }
      for (const subject of derivation.subjects) this.#recordRole(subject)
    }
  }
}

/** The text of each part, by its id. */
function partsOf (policy: Policy): Record<Covered, Map<string, string>> {
  const { resources = {}, roles = {}, user_sets: userSets = {}, resource_sets: resourceSets = {}, set_rules: setRules = [] } = policy
  const resourceRoles = Object.entries(resources).flatMap(([type, resource]) =>
    Object.entries(resource.roles ?? {}).map(([key, role]) => ({ type, key, role })))
  return {
    permissions: same(permissionsOf(policy)),
    roles: same(Object.keys(roles)),
    resource_roles: same(resourceRoles.map(({ type, key }) => roleOn(type, key))),
    role_derivations: same(resourceRoles.flatMap(({ type, key, role }) => (role?.granted_to?.users_with_role ?? [])
      .map(({ role, on_resource: on, linked_by_relation: relation }) => derivedRole(type, key, relation, on, role)))),
    user_sets: same(Object.keys(userSets)),
    resource_sets: same(Object.keys(resourceSets)),
    set_rules: new Map(setRules.map(({ user_set: userSet, permission, resource_set: resourceSet }, index) =>
      [String(index), `set_rules[${index}]: ${userSet} may ${permission} on ${resourceSet}`]))
  }
}

function same (ids: readonly string[]): Map<string, string> {
  return new Map(ids.map(id => [id, id]))
}

function roleOn (type: string, role: string): string {
  return `${role} on ${type}`
}

function derivedRole (type: string, role: string, relation: string, fromType: string, fromRole: string): string {
  return `${roleOn(type, role)}, from ${roleOn(fromType, fromRole)} by ${relation}`
}

function sum (numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
