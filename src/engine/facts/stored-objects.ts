// Counts which attributes of stored instances are objects: objects are united with those that a question gives, and only such instances matter to plans.
import { isRecord } from '../../kit/is-record.js'
import type { ResourceInstanceFact } from './fact.js'

/** By resource type and attribute, how many instances have it stored as an object. */
export class StoredObjects {
  readonly #counts = new Map<string, Map<string, number>>()

  /** An instance is stored in place of another one, or deleted (`after` is undefined). */
  replace (before: ResourceInstanceFact | undefined, after: ResourceInstanceFact | undefined): void {
    if (before?.attributes !== undefined) this.#count(before, -1)
    if (after?.attributes !== undefined) this.#count(after, 1)
  }

  /** Whether an instance of the type has an object, or a resource type of its own (`type`), stored under that name. */
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
