// The delay before a retry: long and random enough that retries never keep an overloaded PDP down.
import type { PdpError } from '../../contract/errors.js'
import { allowedRetries, type FailedAttempt } from './failure.js'

/** The longest delay before the first retry, ms. It doubles for each further retry. */
const BASE_DELAY = 50

/**
 * The delay before a retry on the same PDP, ms; undefined for no retry. Uses full jitter (from zero to the bound), so that requests that
 * failed together are not retried together. A `Retry-After` is added.
 * @param done how many retries were made
 * @param random a number from 0 to 1
 */
export function retryDelay (error: PdpError, failed: FailedAttempt, done: number, retries: number, random: number): number | undefined {
  if (done >= allowedRetries(error, failed, retries)) return undefined
  return (failed.retryAfter ?? 0) + random * BASE_DELAY * 2 ** done
}
