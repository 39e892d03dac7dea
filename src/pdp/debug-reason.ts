// Reads the reason of a decision from the debug output of Permit's PDP.
import type { Decision } from '../contract/point.js'
import { isRecord } from '../kit/is-record.js'

/** RBAC's codes that say more than those of the other models. */
const RBAC_FIRST: ReadonlySet<string> = new Set([
  'no_permission', 'no_such_resource', 'no_such_action', 'no_such_tenant', 'user_not_synced'
])

/** The longest code or reason that is kept, characters: reasons are cached and logged. */
const MAX_REASON = 300

/**
 * The reason as the engine gives it. For an allow it is that of the first model that allows. For a denial it is that of RBAC when
 * something is unknown or the user has roles without the permission, otherwise that of the last model that took part. Missing or
 * malformed output gives no reason and never an error, because the decision does not depend on it.
 */
export function readReason (allow: boolean, debug: unknown): Pick<Decision, 'code' | 'reason'> {
  if (!isRecord(debug)) return {}
  const { rbac, abac, rebac } = debug
  const first = isRecord(rbac) && typeof rbac.code === 'string' && RBAC_FIRST.has(rbac.code)
  // ABAC without matching sets took no part: no rule is about the permission.
  const inOrder = isRecord(abac) && Array.isArray(abac.matching_usersets) ? [rebac, abac, rbac] : [rebac, rbac, abac]
  for (const part of allow || first ? [rbac, rebac, abac] : inOrder) {
    if (isRecord(part) && part.allow === allow && typeof part.code === 'string') {
      return { code: cut(part.code), reason: typeof part.reason === 'string' ? cut(part.reason + missIn(abac)) : undefined }
    }
  }
  return {}
}

/** What the local PDP adds to ABAC's part of a denial: the rule that came nearest. */
function missIn (abac: unknown): string {
  return isRecord(abac) && typeof abac.nearest_miss === 'string' ? `; ${abac.nearest_miss}` : ''
}

/** Truncates a long text, and copies it: a slice alone would keep the whole text in memory. */
export function cut (text: string): string {
  return text.length <= MAX_REASON ? text : Buffer.from(text.slice(0, MAX_REASON)).toString()
}
