// The text of a policy file: how large it may be, and what is said of one that cannot be read.
import { readText } from './text-file.js'

/**
 * Bytes that a policy file may have unless told otherwise: 4 MiB, a few seconds of reading at worst and tens of thousands of lines.
 * Facts beyond that belong into the database.
 */
export const MAX_POLICY_BYTES = 4 * 1024 * 1024

export const POLICY_WORDS = { noun: 'policy', begin: "write a policy that begins with 'resources:'", shorten: 'write users and assignments by the API, into the database' }

/** How a policy file is read. */
export interface ReadPolicyOptions {
  /** Bytes that the file may have. @defaultValue {@link MAX_POLICY_BYTES} */
  readonly maxBytes?: number
}

/**
 * Reads a policy file without looking at what it says, as `readPolicyFile` does.
 *
 * @throws {@link PolicyError} when it cannot be read
 */
export function readPolicyText (path: string, options: ReadPolicyOptions = {}): Promise<string> {
  return readText(path, options.maxBytes ?? MAX_POLICY_BYTES, POLICY_WORDS)
}
