// Which instances a user reaches by roles: the keys of a plan, and the subjects of relations that are columns of the table.
import { Visited } from '../decide/derivation-cycles.js'
import type { CompiledDerivation, CompiledResourceRole } from '../decide/derivation.js'
import type { HeldBy } from '../decide/rebac.js'
import type { WorkBudget } from '../decide/work-budget.js'
import type { InstanceNode, TenantNode, UserNode } from '../facts/fact-nodes.js'

/** What a user reaches. */
export interface Reach {
  /** Keys of instances on which the user has one of the roles. */
  readonly keys: ReadonlySet<string>
  /** By derivation, the keys of the subjects on which the user has its source role. Only derivations along relations that are columns. */
  readonly subjects: ReadonlyMap<CompiledDerivation, ReadonlySet<string>>
}

/** What gives the user a role on an instance: a derivation, or the role itself where it is assigned. */
export type Giver = CompiledDerivation | CompiledResourceRole

/** Assigned roles of so many instances are read in one step. */
const INSTANCES_IN_A_STEP = 32

/** A role leads to one that is asked about by these derivations. */
type Ways = ReadonlyMap<CompiledResourceRole, readonly CompiledDerivation[]>

const WAYS = new WeakMap<HeldBy, Ways>()

/**
 * Walks down from the roles that the user has been assigned in the tenant, along derivations that lead to a role which holds the
 * permission. In steps.
 *
 * @param columns - relations of the rows that are columns: derivations along them are not followed to the rows
 * @param givers - takes the keys by what gave them first, for people
 */
export function * reachOf (
  held: HeldBy, user: UserNode, tenant: TenantNode, columns: ReadonlySet<string>, work: WorkBudget, givers?: Map<Giver, string[]>
): Generator<undefined, Reach> {
  const ways = waysTo(held)
  const wanted = new Set(held.by)
  const keys = new Set<string>()
  const subjects = new Map<CompiledDerivation, Set<string>>()
  const visited = new Visited(work)
  /** @param isKey - whether the row is found by its key: not by a column */
  const add = (role: CompiledResourceRole, instance: InstanceNode, isKey: boolean, giver: Giver): void => {
    const { key } = instance.fact
    if (isKey && wanted.has(role) && !keys.has(key)) {
      work.list(1)
      keys.add(key)
      const given = givers?.get(giver)
      if (given === undefined) givers?.set(giver, [key])
      else given.push(key)
    }
    if (isOnTheWay(role, ways)) visited.add(role, instance)
  }
  const roles = [...ways.keys()]
  let read = 0
  for (const [instance, assigned] of user.instanceRoles ?? []) {
    work.begin()
    work.spend(1 + assigned.length)
    if (++read % INSTANCES_IN_A_STEP === 0) yield
    if (instance.tenant !== tenant) continue
    for (const role of roles) {
      work.spend(1)
      if (role.type === instance.fact.resource && assigned.includes(role.key)) add(role, instance, true, role)
    }
  }
  for (const [role, instance] of visited.queue) {
    work.begin()
    work.place = role.place
    for (const derivation of ways.get(role) ?? []) {
      work.spend(1)
      const byColumn = wanted.has(derivation.target) && columns.has(derivation.relation)
      if (byColumn) {
        const known = subjects.get(derivation)
        work.list(1)
        if (known === undefined) subjects.set(derivation, new Set([instance.fact.key]))
        else known.add(instance.fact.key)
        // Rows that lead to other rows are followed further.
        if (!isOnTheWay(derivation.target, ways)) continue
      }
      for (const object of instance.objects?.get(derivation.relation) ?? []) {
        work.begin()
        work.spend(1)
        yield
        if (leadsTo(derivation, object, user)) add(derivation.target, object, !byColumn, derivation)
      }
    }
  }
  return { keys, subjects }
}

function leadsTo ({ target, unlessDirectRole }: CompiledDerivation, object: InstanceNode, user: UserNode): boolean {
  return object.fact.resource === target.type && !(unlessDirectRole && user.instanceRoles?.has(object) === true)
}

function isOnTheWay (role: CompiledResourceRole, ways: Ways): boolean {
  return (ways.get(role)?.length ?? 0) > 0
}

/** The roles from which a role that holds the permission can be derived, each with the derivations that lead on. */
function waysTo (held: HeldBy): Ways {
  let ways = WAYS.get(held)
  if (ways !== undefined) return ways
  const found = new Map<CompiledResourceRole, CompiledDerivation[]>(held.by.map(role => [role, []]))
  for (const role of found.keys()) {
    for (const derivation of role.derivations) {
      const known = found.get(derivation.source)
      if (known === undefined) found.set(derivation.source, [derivation])
      else known.push(derivation)
    }
  }
  WAYS.set(held, ways = found)
  return ways
}
