// Tests that run as root, who may do everything, continue as another user. The project may be in a folder that only root can enter.
import { chmod, chown, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

const isRoot = process.getuid?.() === 0

/** The user, `nobody` on most systems. */
export const OTHER_USER = 65534

/** A new folder outside of the project, which every user can enter. */
export async function folderForAll (t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fastify-permit-user-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await chmod(folder, 0o755)
  return folder
}

/** Gives paths to the other user, if the tests run as root. */
export async function giveAway (paths: readonly string[]): Promise<void> {
  if (isRoot) for (const path of paths) await chown(path, OTHER_USER, OTHER_USER)
}

/** Lines of a script: as the other user, if it runs as root. What is loaded later must be loaded before. */
export const AS_OTHER_USER = `
  const isRoot = process.getuid?.() === 0
  if (isRoot) process.seteuid(${OTHER_USER})`

/** Lines of a script: as the user who started it. */
export const AS_BEFORE = `
  if (isRoot) process.seteuid(0)`
