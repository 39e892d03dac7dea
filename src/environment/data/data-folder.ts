// The data folder: which files are in it, and how to get a database file that is safe to open with lmdb.
import { randomUUID } from 'node:crypto'
import type { Stats } from 'node:fs'
import { chmod, chown, lstat, open, readdir, realpath, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type * as Lmdb from 'lmdb'
import { DataError } from '../../contract/errors.js'
import { copyVerified } from './copy-verified.js'
import { buildDatabase, DamageError, RefusedError } from './database.js'
import { makeLockFile } from './disk-space.js'
import { flushFolder, isIntact, readSeal, seal, SEAL, unseal } from './seal.js'

/** The database file. LMDB puts its own lock file beside it. */
const FILE = 'facts.mdb'

/** The prefix of a database that is being built. A file that was left behind belongs to a process that was killed. */
const NEW = 'facts.mdb.new-'

/** Whether a folder contains facts, damaged or not. */
export async function isInUse (folder: string): Promise<boolean> {
  const names = await readdir(folder)
  return names.includes(FILE) || names.includes(SEAL)
}

/**
 * Prepares the database file so that this process can open it. The folder must be locked.
 *
 * lmdb maps the file into memory and trusts it: damage crashes the process. So only two kinds of files are opened: one that has the same
 * bytes as when it was closed, and one that was just built. After a kill the seal is broken; the content is then checked and copied in a
 * process of its own.
 *
 * @returns the path of the file
 * @throws `DataError` when the folder cannot be used; nothing in it has changed then
 */
export async function prepare (lmdb: typeof Lmdb, folder: string): Promise<string> {
  const file = await fileIn(folder)
  await tidy(folder, file)
  const known = await readSeal(folder)
  if (!await needFile(folder, file)) {
    // Starting with an empty folder would load the facts of the policy, and with them permissions that were removed since.
    if (known !== undefined) throw damaged(folder, 'it is missing')
    await replaceWith(folder, file, path => buildDatabase(lmdb, path, []))
  } else if (known === undefined || known === 'broken') {
    await replaceWith(folder, file, path => copyVerified(file, path))
  } else if (!await isIntact(file, known)) {
    throw damaged(folder, 'its checksum has changed since it was closed',
      ` If you replaced ${FILE} on purpose, remove ${SEAL}: then its content is checked instead.`)
  }
  // A lock file, or anything else but a folder, that is in its place.
  await rm(`${file}-lock`, { force: true })
  await makeLockFile(file)
  return file
}

/**
 * Builds a database and replaces the one in the folder atomically: a process that is killed meanwhile leaves the old or the new one. The
 * folder must be locked.
 */
export async function replaceWith (folder: string, file: string, build: (path: string) => Promise<unknown>): Promise<void> {
  const path = join(dirname(file), `${NEW}${randomUUID()}`)
  try {
    await build(path)
    await makeAlike(path, await stat(file).catch(() => undefined), await stat(folder))
    await flush(path)
    await unseal(folder)
    await rename(path, file)
    await flushFolder(dirname(file))
    await seal(folder, file)
  } catch (error) {
    if (error instanceof DamageError) throw damaged(folder, error.message)
    if (error instanceof RefusedError) throw new DataError(`the data folder ${folder} ${error.message}`)
    throw error
  } finally {
    await rm(path, { force: true })
    await rm(`${path}-lock`, { force: true })
  }
}

/** The path of the database behind links: a link stays, and its target is replaced. */
export async function fileIn (folder: string): Promise<string> {
  const file = join(folder, FILE)
  return realpath(file).catch(() => file)
}

/** Removes files that were left by killed processes. */
export async function tidy (folder: string, file: string): Promise<void> {
  for (const directory of new Set([folder, dirname(file)])) {
    for (const name of await readdir(directory)) {
      if (name.startsWith(NEW)) await rm(join(directory, name), { recursive: true, force: true })
    }
  }
}

function damaged (folder: string, reason: string, more = ''): InstanceType<typeof DataError> {
  return new DataError(`the data folder ${folder} cannot be opened: ${FILE} is damaged, or belongs to another program: ${reason}. ` +
    `Nothing in the folder was changed. Restore a backup: npx fastify-permit restore --data ${folder} --from <backup> --yes. ` +
    `Without a backup, move ${FILE} and ${SEAL} away to start with the facts of the policy; all later writes are lost then.${more}`)
}

/** Whether the database file exists. Throws when it cannot be used. */
async function needFile (folder: string, file: string): Promise<boolean> {
  let size: number
  try {
    const found = await stat(file)
    // Opening a pipe would wait forever.
    if (!found.isFile()) {
      throw new DataError(`the data folder ${folder} cannot be opened: ${FILE} is not a file; move it away, or use another folder`)
    }
    size = found.size
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    if (!await isThere(file)) return false
    throw damaged(folder, 'it is a broken link')
  }
  if (size === 0) throw damaged(folder, 'it is empty')
  // Fails with the error of the system when it cannot be read and written.
  await (await open(file, 'r+')).close()
  return true
}

/** Gives the new file the owner and mode of the old one, so that the same users can use it, even after a restore by root. */
async function makeAlike (path: string, old: Stats | undefined, folder: Stats): Promise<void> {
  if (old !== undefined) await chmod(path, old.mode & 0o777)
  const { uid, gid } = old ?? folder
  // Only root can change the owner.
  if (process.getuid?.() === 0) await chown(path, uid, gid)
}

/** True for a broken link, too. */
function isThere (path: string): Promise<boolean> {
  return lstat(path).then(() => true, () => false)
}

async function flush (path: string): Promise<void> {
  const handle = await open(path, 'r+')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
