// Warns at start about routes whose permission does not exist in the embedded policy. Such a route is refused for every user.
import type { FastifyBaseLogger } from 'fastify'
import { printable } from '../kit/printable.js'
import { rowText, type RouteRow } from './route-table.js'
import { splitAtColon } from '../kit/split-at-colon.js'

/**
 * Logs a warning for each permission of a route that the policy does not have, with the most similar name. It is no error, because the next
 * version of the policy may have it.
 * @param unknownWord - returns what the policy lacks for a permission, as a sentence; undefined when nothing is missing, or it is unknown
 */
export async function warnOfUnknownWords (
  rows: readonly RouteRow[], unknownWord: (type: string, action: string) => Promise<string | undefined>, log: FastifyBaseLogger
): Promise<void> {
  for (const row of rows) {
    for (const permission of row.permissions) {
      const { before: type, after: action = '' } = splitAtColon(permission)
      const sentence = await unknownWord(type, action)
      if (sentence === undefined) continue
      log.warn(printable(`permit: ${rowText(row)} requires '${permission}', which no user can have: ${sentence}`))
    }
  }
}
