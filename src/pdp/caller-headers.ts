// Headers that depend on the request: a batch carries those of one of its callers.
import type { Caller } from '../contract/point.js'

/** Tells whether decisions of a user, or any, were forgotten so recently that a cache of the PDP may still have them. */
export type Forgotten = (user?: string) => boolean

/** Makes the PDP decide again, without its own cache. */
const ANEW: Caller['headers'] = { 'cache-control': 'no-cache' }

/** Adds the header that makes the PDP bypass its cache. */
export function decidedAnew (headers: Caller['headers']): Caller['headers'] {
  return headers === undefined ? ANEW : { ...headers, ...ANEW }
}

/** The headers of the first caller that has some. */
export function firstHeaders (callers: ReadonlyArray<Caller | undefined> = []): Caller['headers'] {
  for (const caller of callers) {
    const headers = caller?.headers
    if (headers !== undefined) return headers
  }
  return undefined
}
