// Writes files as a whole or not at all, by a new file that is renamed over the old one.
import { randomUUID } from 'node:crypto'
import { open, rename, rm, type FileHandle } from 'node:fs/promises'

/**
 * Replaces a file, or creates it. The new file stands beside it until it is complete. Its name cannot be foreseen, and it is never one that
 * was there: another user of the folder could have put a link in its place, or keep it open to read along.
 *
 * @param mode - of the new file, less the umask
 * @param write - writes the content. If it fails, the old file stays.
 * @returns what `write` has returned
 */
export async function replaceFile<T> (file: string, mode: number, write: (handle: FileHandle) => Promise<T>): Promise<T> {
  const partial = `${file}.partial-${randomUUID()}`
  const handle = await open(partial, 'wx', mode)
  try {
    let result: T
    try {
      result = await write(handle)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(partial, file)
    return result
  } catch (error) {
    await rm(partial, { force: true })
    throw error
  }
}
