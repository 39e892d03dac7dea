// Verdicts: allow or deny, with Permit's reason code and a sentence, shared between decisions on the hot path.

/** Permit's reason codes. */
export type ReasonCode =
  | 'allow'
  | 'no_such_resource'
  | 'no_such_action'
  | 'no_such_tenant'
  | 'user_not_synced'
  | 'no_user_roles'
  | 'no_role_in_tenant'
  | 'no_permission'
  | 'no_matching_usersets'
  | 'no_matching_resourcesets'
  | 'no_matching_rules'
  | 'no_graph_roles'

/** The answer to a query. Frozen and shared between decisions: it describes the policy, never the user. */
export interface Verdict {
  readonly allow: boolean
  readonly code: ReasonCode
  /** The reason as a sentence for people. */
  readonly reason: string
  /** For how long the time cannot change it, ms; undefined when no condition compared something with `now`. */
  readonly validFor?: number
}

/** Creates a verdict for all queries that have the same answer for the same reason. */
export function verdict (code: ReasonCode, reason: string): Verdict {
  return Object.freeze({ allow: code === 'allow', code, reason })
}

/** The denials that do not depend on the policy. */
export const DENIED = Object.freeze({
  noSuchResource: verdict('no_such_resource', 'the resource type is not defined in the policy'),
  noSuchAction: verdict('no_such_action', 'the action is not defined on the resource type'),
  noSuchTenant: verdict('no_such_tenant', 'the tenant does not exist'),
  userNotSynced: verdict('user_not_synced', 'the user is not known to the PDP (not synced), and so has no roles'),
  noUserRoles: verdict('no_user_roles', 'no roles are assigned to the user'),
  noRoleInTenant: verdict('no_role_in_tenant', 'the user has no role in this tenant, only in others'),
  noGraphRoles: verdict('no_graph_roles', 'the user has no role on the resource instance, neither assigned nor derived')
})
