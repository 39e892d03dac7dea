// What a PDP reports when its data or its policy has changed, and whose decisions are to be forgotten for it.
import Type from 'typebox'
import { Compile } from 'typebox/compile'
import type { Affected } from './generations.js'

/**
 * The header that carries the secret of the reports. Not `authorization`: the app's own authentication looks there, and would take
 * the secret for a token of its own.
 */
export const UPDATES_HEADER = 'x-permit-updates-secret'

/** Bytes of a report at most. One names a few users; a full reload is one entry. */
export const MAX_UPDATE_SIZE = 1024 * 1024

// The report of OPAL's client, which is a part of Permit's PDP. Only what is needed is asked for.
const Report = Compile(Type.Object({
  reports: Type.Array(Type.Object({ entry: Type.Object({ dst_path: Type.String() }) }), { minItems: 1 }),
  policy_hash: Type.Optional(Type.Null())
}))

/** Paths of which the rest is one user's key, or that name one behind `user:`. */
const OF_A_USER = /^\/?(?:users\/|role_assignments\/user:)([^/%~]+)$/

/**
 * Whose decisions have to be forgotten for a report. Whatever is not understood is about everybody: a report that cannot be read still
 * says that something has changed. So is a key that a path can write in several ways, with a slash or a percent sign in it.
 */
export function affectedBy (text: string): Affected {
  let report: unknown
  try {
    report = JSON.parse(text)
  } catch {
    return { all: true }
  }
  if (!Report.Check(report)) return { all: true }
  const users = new Set<string>()
  for (const { entry } of report.reports) {
    const [, user] = OF_A_USER.exec(entry.dst_path) ?? []
    if (user === undefined) return { all: true }
    users.add(user)
  }
  return { users: [...users] }
}
