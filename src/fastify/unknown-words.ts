// Warns at start of routes that require a permission which the embedded policy does not have: such a route is refused for every user.
import type { FastifyBaseLogger } from 'fastify'
import { printable } from '../kit/printable.js'
import { rowText, type RouteRow } from './route-table.js'
import { splitAtColon } from '../kit/split-at-colon.js'

/**
 * A line in the log for each permission of a route that the policy does not have, with the nearest word that it has. No more than that: the
 * next version of the policy may have it.
 * @param unknownWord - what the policy does not have of a permission, as a sentence; undefined when it has it, or nobody can tell
 */
export async function warnOfUnknownWords (rows: readonly RouteRow[], unknownWord: (type: string, action: string) => Promise<string | undefined>, log: FastifyBaseLogger): Promise<void> {
  for (const row of rows) {
    for (const permission of row.permissions) {
      const { before: type, after: action = '' } = splitAtColon(permission)
      const sentence = await unknownWord(type, action)
      if (sentence !== undefined) log.warn(printable(`permit: ${rowText(row)} requires '${permission}', which no user can have: ${sentence}`))
    }
  }
}
