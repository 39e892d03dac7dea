// Headers that depend on the request: a batch carries those of one of its callers.
import type { Caller } from '../contract/point.js'

/** The headers of the first caller that has some. */
export function firstHeaders (callers: ReadonlyArray<Caller | undefined> = []): Caller['headers'] {
  for (const caller of callers) {
    const headers = caller?.headers
    if (headers !== undefined) return headers
  }
  return undefined
}
