// Reads a file that users write: not larger than allowed, complete, and UTF-8.
import { isAscii } from 'node:buffer'
import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { PolicyError } from '../../engine/policy/problems.js'

/** The name of a kind of file, and hints for its errors. */
export interface FileWords {
  /** `policy` */
  readonly noun: string
  /** The hint for an empty file. */
  readonly begin: string
  /** The hint for a file that is too large. */
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
  return decodeText(await readBytes(path, maxBytes, words), path)
}

/**
 * Decodes the bytes of a file.
 *
 * @throws {@link PolicyError} when it is not UTF-8
 */
export function decodeText (bytes: Uint8Array, path: string): string {
  // Most files are ASCII, and copying takes a fraction of the time of decoding.
  if (isAscii(bytes)) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw unreadable(path, 'the file is not UTF-8', 'save it as UTF-8', cause)
  }
}

/**
 * Reads the bytes of a file; see {@link readText}.
 *
 * @param maxJsonBytes - the limit of a file that begins like JSON
 */
export async function readBytes (path: string, maxBytes: number, words: FileWords, maxJsonBytes = maxBytes): Promise<Uint8Array> {
  let file: FileHandle | undefined
  try {
    // Opening a pipe without a writer would wait forever. Windows has neither the flag nor the problem.
    file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
    const before = await file.stat()
    // A pipe or a device has no size, and may be endless.
    if (!before.isFile()) throw unreadable(path, 'this is not a file', 'give the path of a .yaml or .json file')
    const allowed = before.size > maxBytes && await beginsAsJson(file) ? maxJsonBytes : maxBytes
    if (before.size > allowed) throw unreadable(path, ...tooLarge(before.size, allowed, words))
    const bytes = Buffer.alloc(before.size)
    const length = await fill(file, bytes)
    const after = await file.stat()
    if (length !== after.size || before.mtimeMs !== after.mtimeMs) {
      throw unreadable(path, 'the file changed while it was read', 'write it elsewhere and rename it')
    }
    return bytes
  } catch (error) {
    if (error instanceof PolicyError) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw unreadable(path, `the file cannot be read: ${reason}`, 'check its path and permissions', error)
  } finally {
    await file?.close()
  }
}

/** Whether the first character is a brace: then the file may be larger than YAML, and is parsed as JSON. */
async function beginsAsJson (file: FileHandle): Promise<boolean> {
  const bytes = Buffer.alloc(1024)
  const { bytesRead } = await file.read(bytes, 0, bytes.length, 0)
  return /^\uFEFF?[ \t\r\n]*\{/.test(bytes.toString('utf8', 0, bytesRead))
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
  const problem = { path: [], message, hint, ...(file === undefined ? {} : { file }) }
  return new PolicyError([problem], cause === undefined ? undefined : { cause })
}
