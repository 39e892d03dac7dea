// What guards require, as far as it is known before the first request: for the question at boot.
import type { Request } from 'express'
import { describeAnnotation, type DescribedPermission } from '../guard/description.js'
import type { Annotation } from './express-types.js'

/** The most guards that are kept: one of their permissions is asked about. */
export const MAX_KEPT = 100

/** What guards require that find their `permit(…)` with a request. */
const unbound: Annotation[] = []

/** What each guard requires, by the guard. */
const byGuard = new WeakMap<object, Annotation>()

let permits = 0

/** Counts one `permit(…)`. */
export function countPermit (): void {
  permits++
}

/** Keeps what a guard requires that has no `permit(…)` of its own. */
export function keepUnbound (requirement: Annotation): void {
  if (unbound.length < MAX_KEPT) unbound.push(requirement)
}

/** Keeps what a guard requires, for the inspector. */
export function keepRequirement (guard: object, requirement: Annotation): void {
  byGuard.set(guard, requirement)
}

/** What a guard requires; undefined for everything that is no guard. */
export function requirementOf (guard: unknown): Annotation | undefined {
  return typeof guard === 'function' ? byGuard.get(guard) : undefined
}

/** What guards require of the only `permit(…)`; nothing while there are several, because a guard may be of each. */
export function requiredOfOnly (): readonly Annotation[] {
  return permits === 1 ? unbound : []
}

/** The permissions in a requirement that do not depend on a request. */
export function permissionsIn (requirement: Annotation, hasTenantOption: boolean): readonly DescribedPermission[] {
  return describeAnnotation<Request>(requirement, hasTenantOption).permissions
}
