// A set of links, such as role assignments, to find duplicates in documents with millions of them.
import type { RelationshipTupleFact, RoleAssignmentFact } from './fact.js'

/** An empty set of assignments. */
export const newAssignments = () => new Links<RoleAssignmentFact>(({ user }) => user, ['user', 'role', 'tenant', 'resource_instance'])

/** The same, where assignments with another end are others. */
export const newAssignmentsWithEnd = () =>
  new Links<RoleAssignmentFact>(({ user }) => user, ['user', 'role', 'tenant', 'resource_instance', 'expires_at'])

/** An empty set of tuples. */
export const newTuples = () => new Links<RelationshipTupleFact>(({ object }) => object, ['subject', 'relation', 'object', 'tenant'])

/** A set of links that are equal when the given fields are. */
export class Links<F extends object> {
  readonly #from: (link: F) => string
  readonly #fields: ReadonlyArray<keyof F>
  /** The first link from each place: most have no other, and a comparison needs no text. */
  readonly #first = new Map<string, F>()
  readonly #more = new Set<string>()

  /**
   * @param from - the field in which most links differ
   * @param fields - all fields in which links can differ
   */
  constructor (from: (link: F) => string, fields: ReadonlyArray<keyof F>) {
    this.#from = from
    this.#fields = fields
  }

  /** Adds the link. Returns whether it is new. */
  add (link: F): boolean {
    const from = this.#from(link)
    const first = this.#first.get(from)
    if (first === undefined) {
      this.#first.set(from, link)
      return true
    }
    if (this.#isSame(first, link)) return false
    const { size } = this.#more
    return this.#more.add(this.#text(link)).size > size
  }

  has (link: F): boolean {
    const first = this.#first.get(this.#from(link))
    return first !== undefined && (this.#isSame(first, link) || this.#more.has(this.#text(link)))
  }

  #isSame (link: F, other: F): boolean {
    for (const field of this.#fields) {
      if (link[field] !== other[field]) return false
    }
    return true
  }

  #text (link: F): string {
    return JSON.stringify(this.#fields.map(field => link[field] ?? null))
  }
}
