// Requests against their schemas: nothing in a body is ever turned into what it should have been, and every mistake has its place.
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { Convert } from 'typebox/value'
import { invalid, MAX_DETAILS, shortStep, type FailureDetail } from './failures.js'

/** Where in a request a value came from. */
type Part = 'body' | 'query'

interface Checker {
  Check (value: unknown): boolean
  Errors (value: unknown): Array<{ keyword: string, instancePath: string, message: string, params: unknown }>
}

/**
 * Checks values of one schema. Compiled by the first value, because nobody calls every route.
 *
 * A body is taken as it is: `"1"` is no number. What comes from a URL is text, so numbers and booleans are read from it.
 *
 * @returns a function that gives the value back, or throws the 422 that says what is wrong
 */
export function checkerOf (schema: TSchema, part: Part): (value: unknown) => unknown {
  let checker: Checker | undefined
  return value => {
    const excess = tooMany(schema, value, [part], 3)
    if (excess !== undefined) throw invalid(`${excess.loc.join('.')}: ${excess.msg}`, [excess])
    checker ??= Compile(schema)
    const given = part === 'query' ? Convert(schema, { ...value as object }) : value
    if (checker.Check(given)) return given
    const details = detailsOf(checker, given, part)
    const [first] = details
    throw invalid(first === undefined ? 'the request is invalid' : `${first.loc.join('.')}: ${first.msg}`, details)
  }
}

function detailsOf (checker: Checker, value: unknown, part: Part): FailureDetail[] {
  const details = new Map<string, FailureDetail>()
  for (const { keyword, instancePath, message, params } of checker.Errors(value)) {
    // A union complains for each of its branches and once more for itself, a schema that is closed twice: the first is enough.
    if (keyword === 'anyOf' || keyword === 'boolean' || details.has(instancePath)) continue
    const { requiredProperties } = params as { requiredProperties?: readonly string[] }
    const path = [...stepsOf(instancePath), ...(requiredProperties?.slice(0, 1) ?? [])].map(shortStep)
    const msg = requiredProperties === undefined ? message : 'field required'
    details.set(instancePath, { loc: [part, ...path], msg, type: `value_error.${keyword}` })
    if (details.size === MAX_DETAILS) break
  }
  return [...details.values()]
}

/** A list that is too long, found before each of its items is looked at. */
function tooMany (schema: ListSchema, value: unknown, loc: readonly string[], levels: number): FailureDetail | undefined {
  if (Array.isArray(value)) {
    const { maxItems } = schema
    return maxItems === undefined || value.length <= maxItems ? undefined : { loc, msg: `must not have more than ${maxItems} items`, type: 'value_error.maxItems' }
  }
  if (levels === 0 || typeof value !== 'object' || value === null) return undefined
  for (const [name, inner] of Object.entries(schema.properties ?? {})) {
    const found = Object.hasOwn(value, name) ? tooMany(inner, (value as Record<string, unknown>)[name], [...loc, name], levels - 1) : undefined
    if (found !== undefined) return found
  }
  return undefined
}

/** The part of a schema that says how long lists may be. */
interface ListSchema {
  readonly maxItems?: number
  readonly properties?: Readonly<Record<string, ListSchema>>
}

/** The steps of a JSON pointer. */
function stepsOf (pointer: string): string[] {
  return pointer.split('/').slice(1).map(step => step.replaceAll('~1', '/').replaceAll('~0', '~'))
}
