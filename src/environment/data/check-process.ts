// Copies a database into a new file, in a process of its own: if the old file is damaged, lmdb crashes only this process.
import {
  buildDatabase, complaintAboutFormat, DamageError, FORMAT_NAME, loadLmdb, openDatabase, readVerified, RefusedError,
  type Database, type HeldRecord, type HeldValue
} from './database.js'
import { needAdjacentMetas } from './meta-pages.js'

/** The messages that it sends to its parent process. */
export type CheckMessage =
  | { readonly progress: number }
  | { readonly copied: number }
  /** `damage`: the database is damaged; `refused`: `reason` completes a sentence about the folder; `failed`: any other error. */
  | { readonly problem: 'damage' | 'refused' | 'failed', readonly reason: string }

/** System errors (Linux, macOS) that do not mean damage: not permitted, no memory, no access, too many files, no space, read only. */
const SYSTEM_ERRORS: ReadonlySet<unknown> = new Set([1, 12, 13, 23, 24, 28, 30])

async function check (source: string, target: string): Promise<CheckMessage> {
  const lmdb = await loadLmdb()
  let database: Database | undefined
  try {
    await needAdjacentMetas(source)
    database = ofTheFile(() => openDatabase(lmdb, source, true))
    return { copied: await buildDatabase(lmdb, target, verified(database), progress => process.send?.({ progress })) }
  } catch (error) {
    const problem = error instanceof RefusedError ? 'refused' : error instanceof DamageError ? 'damage' : 'failed'
    return { problem, reason: error instanceof Error ? error.message : String(error) }
  } finally {
    await database?.root.close()
  }
}

function * verified (database: Database): Generator<HeldRecord | HeldValue> {
  const complaint = complaintAboutFormat(ofTheFile(() => database.values.get(FORMAT_NAME)))
  if (complaint !== undefined) throw new RefusedError(complaint)
  const reading = readVerified(database)
  for (let next = ofTheFile(() => reading.next()); next.done !== true; next = ofTheFile(() => reading.next())) yield next.value
}

/** An error of lmdb itself is about the file that it reads. */
function ofTheFile<T> (read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof RefusedError || error instanceof DamageError || SYSTEM_ERRORS.has((error as { code?: unknown }).code)) throw error
    throw new DamageError(error instanceof Error ? error.message : String(error))
  }
}

const [source = '', target = ''] = process.argv.slice(2)
// The parent process has ended.
process.once('disconnect', () => process.exit(1))
process.send?.(await check(source, target), undefined, undefined, () => process.exit(0))
