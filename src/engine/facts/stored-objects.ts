// Counts the attributes of stored instances that are objects. A query's objects are merged with them, so plans must know of them.
import { isRecord } from '../../kit/is-record.js'
import type { ResourceInstanceFact } from './fact.js'

/** The number of instances with an object in an attribute, by resource type and attribute. */
export class StoredObjects {
  readonly #counts = new Map<string, Map<string, number>>()

  /** Records that an instance replaces another one, or is deleted (`after` is undefined). */
  replace (before: ResourceInstanceFact | undefined, after: ResourceInstanceFact | undefined): void {
    if (before?.attributes !== undefined) this.#count(before, -1)
    if (after?.attributes !== undefined) this.#count(after, 1)
  }

  /** Whether an instance of the type has an object in this attribute, or a resource type of its own (`type`). */
  has (type: string, name: string): boolean {
    return this.#counts.get(type)?.has(name) === true
  }

  #count ({ resource, attributes }: ResourceInstanceFact, by: 1 | -1): void {
    for (const name in attributes) {
      if (!Object.hasOwn(attributes, name) || (!isRecord(attributes[name]) && name !== 'type')) continue
      let names = this.#counts.get(resource)
      if (names === undefined) this.#counts.set(resource, names = new Map())
      const count = (names.get(name) ?? 0) + by
      if (count > 0) names.set(name, count)
      else names.delete(name)
      if (names.size === 0) this.#counts.delete(resource)
    }
  }
}
