// Words for the rules of a policy that also hold for users who were never synced.
import type { Engine } from '../../engine/engine.js'

/** A sentence for each user set that a rule opens to whoever has the attributes, synced or not. */
export function strangersOf (engine: Engine): string[] {
  return engine.openUserSets().map(({ user_set: set, opens }) =>
    `user set '${set}' also holds for users that were never synced, and in tenants that do not exist: ${opens.join(', ')}`)
}
