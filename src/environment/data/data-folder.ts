// The folder of an environment: which files are in it, and how a database gets there that lmdb can be trusted with.
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

/** The database in the folder; LMDB puts a lock file of its own beside it. */
const FILE = 'facts.mdb'

/** A database that is being built. What is left of one is of a process that was killed. */
const NEW = 'facts.mdb.new-'

/** Whether a folder holds facts, whole or not. */
export async function isInUse (folder: string): Promise<boolean> {
  const names = await readdir(folder)
  return names.includes(FILE) || names.includes(SEAL)
}

/**
 * Makes the database ready to be opened in this process. The folder is locked.
 *
 * lmdb maps the file into memory and follows whatever it finds there: damage ends the process. So it opens only a file that is, byte by byte, as it was
 * closed, or one that was just built. A process that was killed has left the seal broken: then the content is checked and copied in a process of its own.
 *
 * @returns the path of the file
 * @throws `DataError` when the folder cannot be used; nothing in it has changed then
 */
export async function prepare (lmdb: typeof Lmdb, folder: string): Promise<string> {
  const file = await fileIn(folder)
  await tidy(folder, file)
  const known = await readSeal(folder)
  if (!await needFile(folder, file)) {
    // An empty folder begins with the facts of the policy: rights that were taken away since would be there again.
    if (known !== undefined) throw damaged(folder, 'it is gone')
    await replaceWith(folder, file, path => buildDatabase(lmdb, path, []))
  } else if (known === undefined || known === 'broken') {
    await replaceWith(folder, file, path => copyVerified(file, path))
  } else if (!await isIntact(file, known)) {
    throw damaged(folder, 'its checksum is another one than when it was closed', ` If you have put another ${FILE} there on purpose, remove ${SEAL}: then its content is checked instead.`)
  }
  // Whatever is in its place, folders aside.
  await rm(`${file}-lock`, { force: true })
  await makeLockFile(file)
  return file
}

/**
 * Builds a database and puts it in the place of the one in the folder, if there is one, at once: whoever is killed meanwhile leaves the one or the other.
 * The folder is locked.
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

/** The path of the database, behind links: it is replaced, and not the link. */
export async function fileIn (folder: string): Promise<string> {
  const file = join(folder, FILE)
  return realpath(file).catch(() => file)
}

/** Removes what processes that were killed have left. */
export async function tidy (folder: string, file: string): Promise<void> {
  for (const directory of new Set([folder, dirname(file)])) {
    for (const name of await readdir(directory)) {
      if (name.startsWith(NEW)) await rm(join(directory, name), { recursive: true, force: true })
    }
  }
}

function damaged (folder: string, reason: string, more = ''): InstanceType<typeof DataError> {
  return new DataError(`the data folder ${folder} cannot be opened: ${FILE} is damaged, or another program's: ${reason}. Nothing in the folder was changed. ` +
    `Restore a backup: npx fastify-permit restore --data ${folder} --from <backup> --yes. Without one, move ${FILE} and ${SEAL} away to begin with the facts of the policy; ` +
    `what was written since is lost then.${more}`)
}

/** Whether the database is there. */
async function needFile (folder: string, file: string): Promise<boolean> {
  let size: number
  try {
    const found = await stat(file)
    // Opening a pipe would wait for ever.
    if (!found.isFile()) throw new DataError(`the data folder ${folder} cannot be opened: ${FILE} is not a file; move it away, or give another folder`)
    size = found.size
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    if (!await isThere(file)) return false
    throw damaged(folder, 'it is a link to nothing')
  }
  if (size === 0) throw damaged(folder, 'it is empty')
  // Whether it can be read and written, said by the system itself.
  await (await open(file, 'r+')).close()
  return true
}

/** Whoever could use the old file can use the new one, also after a restore by root. */
async function makeAlike (path: string, old: Stats | undefined, folder: Stats): Promise<void> {
  if (old !== undefined) await chmod(path, old.mode & 0o777)
  const { uid, gid } = old ?? folder
  // Only root may give files away, and has to.
  if (process.getuid?.() === 0) await chown(path, uid, gid)
}

/** Also when it leads nowhere. */
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
