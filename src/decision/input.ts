// What is refused of anything that a caller hands in: a value of the wrong kind, and a name that is not known.
import { QueryError } from '../contract/errors.js'
import { closest } from '../kit/suggest.js'

/** @throws `QueryError` */
export function requireText (what: string, value: unknown): asserts value is string {
  if (typeof value !== 'string' || value === '') throw new QueryError(`${what} must be a string that is not empty, got ${describe(value)}`)
}

/** @throws `QueryError` */
export function optionalText (what: string, value: unknown): asserts value is string | undefined {
  if (value !== undefined) requireText(what, value)
}

/** @throws `QueryError` */
export function requireArray (what: string, value: unknown): asserts value is readonly unknown[] {
  if (!Array.isArray(value)) throw new QueryError(`${what} must be an array, got ${describe(value)}`)
}

/**
 * Refuses what is not an object, and an object with a name that is not known.
 * @param hint - what to do about a name that is like none
 * @throws `QueryError`
 */
export function requireKnown (what: string, value: unknown, known: readonly string[], hint = ''): asserts value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new QueryError(`${what} must be an object with ${known.join(', ')}, got ${describe(value)}`)
  }
  const unknown = Object.keys(value).find(name => !known.includes(name))
  if (unknown === undefined) return
  const meant = closest(unknown, known.filter(name => !Object.hasOwn(value, name)))
  throw new QueryError(`${what}: ${describe(unknown)} is not known; expected ${known.join(', ')}${meant === undefined ? hint : `; did you mean "${meant}"?`}`)
}

/** What a value is, for an error message, without telling what an object holds. */
export function describe (value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? value.slice(0, 60) + '…' : value)
  if (typeof value === 'number' || typeof value === 'boolean' || value === null || value === undefined) return String(value)
  return kindOf(value)
}

/** The kind of a value, which tells nothing of what it holds: attribute values stay out of errors. */
export function kindOf (value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'an array' : `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`
}
