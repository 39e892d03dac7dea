// Validates the arguments of checks: rejects values of the wrong kind and unknown names.
import { QueryError } from '../contract/errors.js'
import { hidesContent, isRecord } from '../kit/is-record.js'
import { closest, isNearly } from '../kit/suggest.js'

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
 * Rejects a value that is not an object, an object with an unknown name, and one whose content cannot be seen, such as a promise.
 * @param hint - what to do about a name that resembles no known one
 * @throws `QueryError`
 */
export function requireKnown (what: string, value: unknown, known: readonly string[], hint = ''): asserts value is object {
  if (!isRecord(value) || (hidesContent(value) && !known.some(name => name in value))) {
    throw new QueryError(`${what} must be an object with ${known.join(', ')}, got ${describe(value)}`)
  }
  const unknown = Object.keys(value).find(name => !known.includes(name))
  if (unknown === undefined) return
  const meant = closest(unknown, known.filter(name => !Object.hasOwn(value, name)))
  const advice = meant === undefined ? hint : `; did you mean "${meant}"?`
  throw new QueryError(`${what}: ${describe(unknown)} is not known; expected ${known.join(', ')}${advice}`)
}

/** The most names that are remembered as resembling no known one. */
const MAX_HARMLESS = 1_000

/**
 * Creates a check that rejects a name that resembles a missing known one, such as `atributes` or `e_mail`. Other names are ignored
 * and remembered, because the check may run for each request.
 *
 * @returns the check, which throws a `QueryError`
 */
export function typoCheck (what: string, known: readonly string[]): (value: object) => void {
  const harmless = new Set<string>()
  return value => {
    for (const name of Object.keys(value)) {
      if (known.includes(name) || harmless.has(name)) continue
      const near = known.filter(word => isNearly(name.replace('_', ''), word))
      if (near.length === 0 && harmless.size < MAX_HARMLESS) harmless.add(name)
      const meant = near.find(word => !(word in value))
      if (meant !== undefined) throw new QueryError(`${what}: ${describe(name)} is not known; did you mean "${meant}"?`)
    }
  }
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
  if (Array.isArray(value)) return 'an array'
  if (value instanceof Promise) return 'a promise, which needs an await'
  if (value instanceof Map || value instanceof Set) return `a ${value instanceof Map ? 'Map' : 'Set'}`
  return `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`
}
