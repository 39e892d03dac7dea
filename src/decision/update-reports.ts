// Update reports: a PDP reports that its data or policy has changed, and the report says whose cached decisions to drop.
import type { AffectedUsers } from '../contract/affected-users.js'
import { readUnambiguousJson } from '../kit/unambiguous-json.js'
import { updateReport } from './update-report-schema.js'

/**
 * The header that carries the secret of a report. Not `authorization`, because the app's own authentication would read it and take the
 * secret for a user's token.
 */
export const UPDATES_HEADER = 'x-permit-updates-secret'

/** The largest report, bytes. A report names a few users; a full reload is one entry. */
export const MAX_UPDATE_SIZE = 1024 * 1024

/** Paths that end with the key of one user, directly or after `user:`. */
const OF_A_USER = /^\/?(?:users\/|role_assignments\/user:)([^/%~]+)$/

/**
 * The users whose decisions a report affects. A report that is not understood affects all users, because it still means that something
 * has changed. The same goes for a key with a slash or a percent sign, which a path can encode in several ways.
 */
export function affectedBy (text: string): AffectedUsers {
  let report: unknown
  try {
    report = readUnambiguousJson(text)
  } catch {
    return { all: true }
  }
  if (!updateReport.Check(report)) return { all: true }
  const users = new Set<string>()
  for (const { entry } of report.reports) {
    const [, user] = OF_A_USER.exec(entry.dst_path) ?? []
    if (user === undefined) return { all: true }
    users.add(user)
  }
  return { users: [...users] }
}
