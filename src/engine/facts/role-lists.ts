// Lists of roles, shared between all users who have the same one role: with many users that is a fifth of what the facts take.

/** The list with one role, for each role that was ever given; a policy has few. */
const SINGLE = new Map<string, readonly string[]>()

/** Names come from the API, too: no more of them are kept than a policy can use. */
const MAX_SINGLE = 10_000

/** The list with the role at its end. Lists are shared: none is changed. */
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
  return roles.length === 2 ? withRole(undefined, roles[0] === role ? roles[1] as string : roles[0] as string) : roles.filter(other => other !== role)
}
