// Notes on user sets that also match users who were never synced.
import type { Engine } from '../../engine/engine.js'

/** Returns a sentence for each user set that gives permissions to any user with matching attributes, synced or not. */
export function openUserSetNotes (engine: Engine): string[] {
  return engine.openUserSets().map(({ user_set: set, opens }) =>
    `user set '${set}' also holds for users that were never synced, and in tenants that do not exist: ${opens.join(', ')}`)
}
