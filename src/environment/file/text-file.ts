// A file that people write and the package reads: no larger than allowed, complete, and UTF-8.
import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { PolicyError } from '../../engine/policy/problems.js'

/** How a kind of file is called, and what helps whoever wrote one that cannot be read. */
export interface FileWords {
  /** `policy` */
  readonly noun: string
  /** What to do with an empty one. */
  readonly begin: string
  /** What to do with one that is too large. */
  readonly shorten: string
}

/**
 * Reads a file.
 *
 * A file that is too large is refused before it is read, one that changes while it is read is refused afterwards.
 *
 * @throws {@link PolicyError} when it cannot be read
 */
export async function readText (path: string, maxBytes: number, words: FileWords): Promise<string> {
  const bytes = await readBounded(path, maxBytes, words)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw unreadable(path, 'the file is not UTF-8', 'save it as UTF-8', cause)
  }
}

async function readBounded (path: string, maxBytes: number, words: FileWords): Promise<Uint8Array> {
  let file: FileHandle | undefined
  try {
    // Opening a pipe to which nobody writes would wait for ever; Windows has neither the flag nor the trouble.
    file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
    const before = await file.stat()
    // A pipe or a device has no size, and may have no end.
    if (!before.isFile()) throw unreadable(path, 'this is not a file', 'give the path of a .yaml or .json file')
    if (before.size > maxBytes) throw unreadable(path, ...tooLarge(before.size, maxBytes, words))
    const bytes = Buffer.alloc(before.size)
    const length = await fill(file, bytes)
    const after = await file.stat()
    if (length !== after.size || before.mtimeMs !== after.mtimeMs) throw unreadable(path, 'the file changed while it was read', 'write it elsewhere and rename it')
    return bytes
  } catch (error) {
    if (error instanceof PolicyError) throw error
    throw unreadable(path, `the file cannot be read: ${error instanceof Error ? error.message : String(error)}`, 'check its path and permissions', error)
  } finally {
    await file?.close()
  }
}

async function fill (file: FileHandle, bytes: Buffer): Promise<number> {
  let length = 0
  while (length < bytes.length) {
    const { bytesRead } = await file.read(bytes, length, bytes.length - length, length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  return length
}

export function tooLarge (bytes: number, maxBytes: number, { noun, shorten }: FileWords): [string, string] {
  return [`the ${noun} is too large: ${bytes} bytes, of at most ${maxBytes}`, shorten]
}

export function unreadable (file: string | undefined, message: string, hint: string, cause?: unknown): PolicyError {
  return new PolicyError([{ path: [], message, hint, ...(file === undefined ? {} : { file }) }], cause === undefined ? undefined : { cause })
}
