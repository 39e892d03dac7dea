// What the processes of the soak agree on.

/** How long the app remembers decisions, ms. A change at the PDP that the app does not know of may take this long. */
export const TTL = 500

/** The deadline of a check, ms. Not above {@link TTL}: a check may share the answer to one that was asked so much earlier. */
export const TIMEOUT = 400

/** Sockets for checks; writes have four of their own. */
export const CONNECTIONS = 16
export const MAX_SOCKETS = CONNECTIONS + 4

export const ROLE = 'reader'

/** What the app tells of itself. */
export interface Vitals {
  /** Bytes in use after a garbage collection. */
  readonly heap: number
  /** Sockets to the PDP. */
  readonly sockets: number
  readonly checks: { readonly allowed: number, readonly denied: number, readonly failed: number }
  readonly cacheHits: number
  readonly pdpRequests: number
}
