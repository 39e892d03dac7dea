// A user with roles that come with the question and are in no fact, as for apps that keep no users.
import { TenantRoles, UserNode } from './fact-nodes.js'
import type { Facts } from './facts.js'

/** Keys of roles by tenant. */
export type GivenRoles = ReadonlyArray<readonly [tenant: string, roles: readonly string[]]>

/**
 * The user with the given roles in addition to those of the facts. A role that the policy does not have, and one in a tenant that does not
 * exist, do not count; without any that counts, the user is as in the facts. The facts do not change.
 *
 * @param unknown - is called with each role that the policy does not have
 */
export function withGivenRoles (
  key: string, given: GivenRoles, facts: Pick<Facts, 'userNode' | 'tenantNode'>, roles: ReadonlySet<string>,
  unknown?: (role: string) => void
): UserNode | undefined {
  const known = facts.userNode(key)
  let merged: TenantRoles | null = null
  for (const [tenant, keys] of given) {
    if (facts.tenantNode(tenant) === undefined) continue
    const counting = keys.filter(role => {
      const isKnown = roles.has(role)
      if (!isKnown) unknown?.(role)
      return isKnown
    })
    if (counting.length === 0) continue
    merged ??= copyOf(known?.tenantRoles ?? null)
    const all = [...new Set([...known?.rolesIn(tenant) ?? [], ...counting])]
    if (merged === null) merged = new TenantRoles(tenant, all)
    else merged.set(tenant, all)
  }
  if (merged === null) return known
  const node = new UserNode(known?.fact ?? { key })
  node.tenantRoles = merged
  node.instanceRoles = known?.instanceRoles ?? null
  return node
}

function copyOf (roles: TenantRoles | null): TenantRoles | null {
  let copy: TenantRoles | null = null
  for (const [tenant, keys] of roles ?? []) {
    if (copy === null) copy = new TenantRoles(tenant, keys)
    else copy.set(tenant, keys)
  }
  return copy
}
