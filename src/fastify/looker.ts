// How a command looks at the registrations of the plugin in somebody's app, of whichever copy of this package.
import type { RouteRow } from './route-table.js'

/** The rows of one registration, when the app is ready. */
export type RowsOf = () => readonly RouteRow[]

/** A list on the global object, when somebody looks. */
export const LOOKERS: unique symbol = Symbol.for('fastify-permit.lookers') as never

/** Tells whoever looks; nobody does in an app that serves. */
export function tellLookers (rows: RowsOf): void {
  const { [LOOKERS]: lookers } = globalThis as { [LOOKERS]?: RowsOf[] }
  lookers?.push(rows)
}
