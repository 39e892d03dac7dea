// The text of a policy file: its size limit, and the errors of reading it.
import { readText } from './text-file.js'

/**
 * The default size limit of a policy file, bytes: 4 MiB, which is tens of thousands of lines and takes at most a few seconds to read. More
 * facts belong in the database.
 */
export const MAX_POLICY_BYTES = 4 * 1024 * 1024

export const POLICY_WORDS = {
  noun: 'policy',
  begin: "write a policy that begins with 'resources:'",
  shorten: 'use the API to write users and assignments into the database'
}

/** The options of reading a policy file. */
export interface ReadPolicyOptions {
  /** The size limit, bytes. @defaultValue {@link MAX_POLICY_BYTES} */
  readonly maxBytes?: number
}

/**
 * Reads a policy file without parsing it.
 *
 * @throws {@link PolicyError} when it cannot be read
 */
export function readPolicyText (path: string, options: ReadPolicyOptions = {}): Promise<string> {
  return readText(path, options.maxBytes ?? MAX_POLICY_BYTES, POLICY_WORDS)
}
