// Stores on a request the guards that have let it through.

/** A guard, reduced to its identity. */
export type GuardIdentity = object

const PASSED = Symbol('fastify-permit.passed')

/** The request that has passed. For a copy of a request, or an object that inherits from it, the passes do not count. */
const PASSED_BY = Symbol('fastify-permit.passed-by')

/** The properties of a request, decorated so that all requests have the same shape. */
export const PASS_SLOTS: readonly symbol[] = [PASSED, PASSED_BY]

/** One guard, or several. */
interface Passenger { [PASSED]?: GuardIdentity | GuardIdentity[] | null, [PASSED_BY]?: object | null }

/** Records that a request has passed a guard. */
export function recordPass (request: object, guard: GuardIdentity): void {
  const passenger: Passenger = request
  const before = passenger[PASSED_BY] === request ? passenger[PASSED] : undefined
  passenger[PASSED_BY] = request
  if (before === null || before === undefined || before === guard) passenger[PASSED] = guard
  else passenger[PASSED] = Array.isArray(before) ? [...before, guard] : [before, guard]
}

/** Whether a request has passed each of the guards. */
export function hasPassed (request: unknown, guards: readonly GuardIdentity[]): boolean {
  if (guards.length === 0) return true
  if (typeof request !== 'object' || request === null) return false
  const { [PASSED]: passed, [PASSED_BY]: by } = request as Passenger
  if (passed === null || passed === undefined || by !== request) return false
  for (const guard of guards) {
    if (passed !== guard && !(Array.isArray(passed) && passed.includes(guard))) return false
  }
  return true
}
