// A process of its own that copies a database, entry by entry, into a new file: if the old one is damaged, lmdb ends this process and no other.
import { buildDatabase, complaintAboutFormat, DamageError, FORMAT_NAME, loadLmdb, openDatabase, readVerified, RefusedError, type Database, type HeldRecord, type HeldValue } from './database.js'
import { needAdjacentMetas } from './meta-pages.js'

/** What it says to the process that has started it. */
export type CheckMessage =
  | { readonly progress: number }
  | { readonly copied: number }
  /** `damage`: of the database; `refused`: the end of a sentence about the folder; `failed`: anything else. */
  | { readonly problem: 'damage' | 'refused' | 'failed', readonly reason: string }

/** Errors of the system (Linux, macOS) that say nothing of the file: not permitted, no memory, no access, too many files, no room, read only. */
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

/** What lmdb notices by itself is about the file that it reads. */
function ofTheFile<T> (read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof RefusedError || error instanceof DamageError || SYSTEM_ERRORS.has((error as { code?: unknown }).code)) throw error
    throw new DamageError(error instanceof Error ? error.message : String(error))
  }
}

const [source = '', target = ''] = process.argv.slice(2)
// Whoever wanted it is gone.
process.once('disconnect', () => process.exit(1))
process.send?.(await check(source, target), undefined, undefined, () => process.exit(0))
