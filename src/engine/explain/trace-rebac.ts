// Why a user has or lacks roles on a resource instance: the walk of a ReBAC decision, with every step.

import type { InstanceNode, UserNode } from '../facts/fact-nodes.js'
import type { HeldBy } from '../decide/rebac.js'
import type { CompiledDerivation, CompiledResourceRole } from '../decide/derivation.js'

/** A role on an instance, and the derivations that could give it. */
export interface RoleTrace {
  readonly role: string
  /** `type:key` */
  readonly resource_instance: string
  /** Whether the user has it, assigned or derived. */
  readonly has: boolean
  /** Whether it is assigned to the user. */
  readonly assigned: boolean
  /** Whether it holds the permission; only for roles on the instance of the query. */
  readonly holds?: boolean
  /** The derivations that give it. Absent when they are shown elsewhere in the tree, for example in a cycle. */
  readonly derivations?: readonly DerivationTrace[]
}

/** A derivation, applied to one instance. */
export interface DerivationTrace {
  /** The role that the user needs on one of the subjects. */
  readonly role: string
  readonly on_resource: string
  readonly relation: string
  /** Whether it does not apply, because the user has a role on the object itself. */
  readonly switched_off?: true
  /** The subjects of the relation; empty when there are none. */
  readonly subjects: readonly RoleTrace[]
}

/** The result of {@link traceRoles}. */
interface RolesTrace {
  readonly roles: readonly RoleTrace[]
  /** The number of steps that are not shown, because there are too many. */
  readonly omitted: number
}

/** The most steps that are shown. Steps that lead to a role come first. */
const MAX_STEPS = 200

interface Step {
  readonly role: CompiledResourceRole
  readonly instance: InstanceNode
  readonly assigned: boolean
  readonly derivations: Array<{ readonly derivation: CompiledDerivation, readonly off: boolean, readonly subjects: Step[] }>
  /** The steps that get a role from this one. */
  readonly givesTo: Step[]
  has: boolean
}

/** All roles of the instance's type: whether the user has them, and why. */
export function traceRoles (held: HeldBy, user: UserNode, instance: InstanceNode): RolesTrace {
  const walk = new Walk(user)
  const roots = held.all.map(role => walk.step(role, instance))
  walk.run()
  return new Shown(held, instance, walk.length).roles(roots)
}

class Walk {
  readonly #user: UserNode
  readonly #steps = new Map<InstanceNode, Map<CompiledResourceRole, Step>>()
  readonly #queue: Step[] = []

  constructor (user: UserNode) {
    this.#user = user
  }

  get length (): number {
    return this.#queue.length
  }

  /** The step for this role on this instance. Each step is taken only once, which ends cycles. */
  step (role: CompiledResourceRole, instance: InstanceNode): Step {
    let steps = this.#steps.get(instance)
    if (steps === undefined) this.#steps.set(instance, steps = new Map())
    let step = steps.get(role)
    if (step === undefined) {
      const assigned = this.#user.instanceRoles?.get(instance)?.includes(role.key) === true
      step = { role, instance, assigned, derivations: [], givesTo: [], has: false }
      steps.set(role, step)
      this.#queue.push(step)
    }
    return step
  }

  run (): void {
    for (const step of this.#queue) this.#derive(step)
    const has = this.#queue.filter(({ assigned }) => assigned)
    for (const step of has) step.has = true
    for (const step of has) {
      for (const next of step.givesTo) {
        if (next.has) continue
        next.has = true
        has.push(next)
      }
    }
  }

  #derive (step: Step): void {
    const { role, instance } = step
    const hasDirectRole = this.#user.instanceRoles?.get(instance) !== undefined
    for (const derivation of role.derivations) {
      const off = derivation.unlessDirectRole && hasDirectRole
      const related = [...instance.subjects?.get(derivation.relation) ?? []]
      const linked = related.filter(subject => subject.fact.resource === derivation.source.type)
      const subjects = off ? [] : linked.map(subject => this.step(derivation.source, subject))
      for (const subject of subjects) subject.givesTo.push(step)
      step.derivations.push({ derivation, off, subjects })
    }
  }
}

/** Converts steps into a tree of bounded size. */
class Shown {
  readonly #held: HeldBy
  readonly #instance: InstanceNode
  readonly #all: number
  readonly #expanded = new Set<Step>()

  constructor (held: HeldBy, instance: InstanceNode, all: number) {
    this.#held = held
    this.#instance = instance
    this.#all = all
  }

  roles (roots: readonly Step[]): RolesTrace {
    const roles = [...roots].sort(firstThoseThatHave).map(step => this.#show(step, 0))
    return { roles, omitted: this.#all - this.#expanded.size }
  }

  #show (step: Step, depth: number): RoleTrace {
    const { role, instance, has, assigned } = step
    const shown = {
      role: role.key,
      resource_instance: instance.id,
      has,
      assigned,
      ...(instance === this.#instance ? { holds: this.#held.by.includes(role) } : {})
    }
    // The depth is bounded, too: a chain of a hundred thousand folders must not overflow the stack.
    if (this.#expanded.has(step) || this.#expanded.size >= MAX_STEPS || depth >= MAX_STEPS) return shown
    this.#expanded.add(step)
    const derivations = step.derivations.map(({ derivation, off, subjects }) => this.#derivation(derivation, off, subjects, depth))
    return { ...shown, derivations }
  }

  #derivation ({ source, relation }: CompiledDerivation, off: boolean, subjects: readonly Step[], depth: number): DerivationTrace {
    const first = [...subjects].sort(firstThoseThatHave).slice(0, MAX_STEPS)
    return {
      role: source.key,
      on_resource: source.type,
      relation,
      ...(off ? { switched_off: true } : {}),
      subjects: first.map(subject => this.#show(subject, depth + 1))
    }
  }
}

function firstThoseThatHave (a: Step, b: Step): number {
  return Number(b.has) - Number(a.has)
}
