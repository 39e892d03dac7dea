// The results of a search, as callers get them: an async iterable that asks for pages as they are needed.

/**
 * The results of a search. Nothing is requested until it is iterated; then pages are requested as they are needed. Each iteration
 * starts a new search.
 *
 * @example
 * ```ts
 * import type { AppPermit } from 'fastify-permit'
 *
 * declare const permit: AppPermit
 * for await (const { key } of permit.searchResources('ann', 'read', 'document')) console.log(key)
 * export const readers = await permit.searchUsers('read', 'document:1', { limit: 100 }).toArray()
 * ```
 */
export class SearchResults<T> implements AsyncIterable<T> {
  readonly #search: () => AsyncGenerator<T, void, undefined>

  constructor (search: () => AsyncGenerator<T, void, undefined>) {
    this.#search = search
  }

  [Symbol.asyncIterator] (): AsyncGenerator<T, void, undefined> {
    return this.#search()
  }

  /** All results. */
  async toArray (): Promise<T[]> {
    const all: T[] = []
    for await (const result of this) all.push(result)
    return all
  }
}

/** A resource that a search has found. It is a resource of a check, too. */
export interface FoundResource<T extends string = string> {
  readonly type: T
  readonly key: string
  readonly tenant: string
}
