// When to ask the same PDP again: seldom enough that retries never become the load that keeps it down.
import type { PdpError } from '../../contract/errors.js'
import { triesAgain, type Failed } from './failure.js'

/** The first retry comes at most so many ms later; each further one may wait twice as long. */
const BASE_DELAY = 50

/**
 * The ms to wait before the same PDP is asked again, or undefined when it is not to be. Full jitter: anything from
 * nothing to the bound, so that what failed together does not come back together. A `Retry-After` is waited for.
 * @param done the retries that there were
 * @param random from 0 to 1
 */
export function retryDelay (error: PdpError, failed: Failed, done: number, retries: number, random: number): number | undefined {
  if (done >= triesAgain(error, failed, retries)) return undefined
  return (failed.retryAfter ?? 0) + random * BASE_DELAY * 2 ** done
}
