// Lets a command read the plugin's routes in an app, even if the app uses another copy of this package.
import type { RouteRow } from './route-table.js'

/** The rows of one registration, when the app is ready. */
export type RowsOf = () => readonly RouteRow[]

/** The property of the global object with a list that a command provides. */
export const ROUTE_TABLES: unique symbol = Symbol.for('fastify-permit.lookers') as never

/** Adds the rows to the list, if a command provides one. */
export function shareRouteTable (rows: RowsOf): void {
  const { [ROUTE_TABLES]: tables } = globalThis as { [ROUTE_TABLES]?: RowsOf[] }
  tables?.push(rows)
}
