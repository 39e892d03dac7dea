// The text of a policy file: its size limit, and the errors of reading it.
import { decodeText, readBytes } from './text-file.js'

/** The default size limit of a policy file in YAML, bytes: 4 MiB, tens of thousands of lines, which take at most a few seconds to read. */
export const MAX_POLICY_BYTES = 4 * 1024 * 1024

/** The default size limit of a policy file in JSON, bytes: 256 MiB, which is more than a million users. */
export const MAX_JSON_POLICY_BYTES = 256 * 1024 * 1024

export const POLICY_WORDS = {
  noun: 'policy',
  begin: "write a policy that begins with 'resources:'",
  shorten: 'use the API to write users and assignments into the database, or write the policy as JSON'
}

/** The options of reading a policy file. */
export interface ReadPolicyOptions {
  /** The size limit, bytes. @defaultValue {@link MAX_JSON_POLICY_BYTES} for JSON, {@link MAX_POLICY_BYTES} for YAML */
  readonly maxBytes?: number
}

/** Bytes that a policy may have in each format. */
export function policyLimits (maxBytes?: number): { readonly json: number, readonly yaml: number } {
  return { json: maxBytes ?? MAX_JSON_POLICY_BYTES, yaml: maxBytes ?? MAX_POLICY_BYTES }
}

/**
 * Reads a policy file without parsing it.
 *
 * @throws {@link PolicyError} when it cannot be read
 */
export async function readPolicyText (path: string, options: ReadPolicyOptions = {}): Promise<string> {
  return decodePolicy(await readPolicyBytes(path, options), path)
}

/** The bytes of a policy file; see {@link readPolicyText}. */
export function readPolicyBytes (path: string, options: ReadPolicyOptions = {}): Promise<Uint8Array> {
  const { json, yaml } = policyLimits(options.maxBytes)
  return readBytes(path, yaml, POLICY_WORDS, json)
}

/**
 * The text of a policy file.
 *
 * @throws {@link PolicyError} when it is not UTF-8
 */
export const decodePolicy = decodeText
