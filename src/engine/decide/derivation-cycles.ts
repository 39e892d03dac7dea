// Cycles of role derivations: each role on an instance is visited only once, so that a walk ends.
import type { WorkBudget } from './work-budget.js'
import type { InstanceNode } from '../facts/fact-nodes.js'
import type { CompiledResourceRole } from './derivation.js'

/** A queue of roles on instances that contains each only once, even while it is being walked. This is what ends cycles. */
export class Visited {
  readonly queue: Array<readonly [CompiledResourceRole, InstanceNode]> = []
  readonly #seen = new Map<InstanceNode, Set<CompiledResourceRole>>()
  readonly #work: WorkBudget

  constructor (work: WorkBudget) {
    this.#work = work
  }

  add (role: CompiledResourceRole, instance: InstanceNode): void {
    this.#work.spend(1)
    const roles = this.#seen.get(instance)
    if (roles === undefined) this.#seen.set(instance, new Set([role]))
    else if (roles.has(role)) return
    else roles.add(role)
    this.#work.spend(FIRST_MET)
    this.queue.push([role, instance])
  }

  roles (): Map<InstanceNode, Set<CompiledResourceRole>> {
    return this.#seen
  }
}

/** The work of visiting a role on an instance for the first time: it must be stored. */
const FIRST_MET = 4
