// Lists of roles, shared by all users with the same single role. With many users, this saves a fifth of the memory of the facts.

/** The list for each single role that was ever assigned; a policy has few. */
const SINGLE = new Map<string, readonly string[]>()

/** The most lists that are kept: names also come from the API. */
const MAX_SINGLE = 10_000

/** The list with the role added at the end. Lists are shared and never changed. */
export function withRole (roles: readonly string[] | undefined, role: string): readonly string[] {
  if (roles !== undefined && roles.length > 0) return [...roles, role]
  let single = SINGLE.get(role)
  if (single === undefined) {
    single = [role]
    if (SINGLE.size < MAX_SINGLE) SINGLE.set(role, single)
  }
  return single
}

/** The list without the role. */
export function withoutRole (roles: readonly string[], role: string): readonly string[] {
  if (roles.length !== 2) return roles.filter(other => other !== role)
  const [first, second] = roles as readonly [string, string]
  return withRole(undefined, first === role ? second : first)
}
