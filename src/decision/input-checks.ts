// Validates the arguments of checks: rejects values of the wrong kind and unknown names.
import { QueryError } from '../contract/errors.js'
import { isRecord } from '../kit/is-record.js'
import { closest } from '../kit/suggest.js'

/** @throws `QueryError` */
export function requireText (what: string, value: unknown): asserts value is string {
  if (typeof value !== 'string' || value === '') throw new QueryError(`${what} must be a non-empty string, got ${describe(value)}`)
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
 * Rejects further arguments, because ignoring one would change the check. The SDK's form has a third one that means something else.
 * @throws `QueryError`
 */
export function requireNoMore (form: string, more: readonly unknown[]): void {
  if (more.some(argument => argument !== undefined)) throw new QueryError(`too many arguments; expected ${form}`)
}

/**
 * Rejects a value that is not an object, and an object with an unknown name.
 * @param hint - what to do about a name that resembles no known one
 * @throws `QueryError`
 */
export function requireKnown (what: string, value: unknown, known: readonly string[], hint = ''): asserts value is object {
  if (!isRecord(value)) {
    throw new QueryError(`${what} must be an object with ${known.join(', ')}, got ${describe(value)}`)
  }
  const unknown = Object.keys(value).find(name => !known.includes(name))
  if (unknown === undefined) return
  const meant = closest(unknown, known.filter(name => !Object.hasOwn(value, name)))
  const advice = meant === undefined ? hint : `; did you mean "${meant}"?`
  throw new QueryError(`${what}: ${describe(unknown)} is not known; expected ${known.join(', ')}${advice}`)
}

/** Describes a value in an error message, without the content of an object. */
export function describe (value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? value.slice(0, 60) + '…' : value)
  if (typeof value === 'number' || typeof value === 'boolean' || value === null || value === undefined) return String(value)
  return kindOf(value)
}

/** The kind of a value, without its content: attribute values must not get into errors. */
export function kindOf (value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'an array' : `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`
}
