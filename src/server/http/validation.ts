// Validates requests against their schemas. Values in a body are never converted, and every mistake is reported with its place.
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { Convert } from 'typebox/value'
import { invalid, MAX_DETAILS, shortStep, type FailureDetail } from './error-responses.js'

/** The part of the request that a value comes from. */
type Part = 'body' | 'query'

interface Checker {
  Check (value: unknown): boolean
  Errors (value: unknown): Array<{ keyword: string, instancePath: string, message: string, params: unknown }>
}

/**
 * Returns a checker for one schema. The schema is compiled on first use, because most clients call only a few routes.
 *
 * Values in a body are not converted: `"1"` is not a number. Values in a URL are text, so numbers and booleans are parsed.
 *
 * @returns a function that returns the value, or throws a 422 that describes the mistakes
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
    // A union reports a mistake for each branch and one for itself, and a schema that is closed twice reports twice. Keep the first.
    if (keyword === 'anyOf' || keyword === 'boolean' || details.has(instancePath)) continue
    const { requiredProperties } = params as { requiredProperties?: readonly string[] }
    const path = [...stepsOf(instancePath), ...(requiredProperties?.slice(0, 1) ?? [])].map(shortStep)
    const msg = requiredProperties === undefined ? message : 'field required'
    details.set(instancePath, { loc: [part, ...path], msg, type: `value_error.${keyword}` })
    if (details.size === MAX_DETAILS) break
  }
  return [...details.values()]
}

/** Finds a list that is too long, before its items are validated. */
function tooMany (schema: ListSchema, value: unknown, loc: readonly string[], levels: number): FailureDetail | undefined {
  if (Array.isArray(value)) {
    const { maxItems } = schema
    if (maxItems === undefined || value.length <= maxItems) return undefined
    return { loc, msg: `must not have more than ${maxItems} items`, type: 'value_error.maxItems' }
  }
  if (levels === 0 || typeof value !== 'object' || value === null) return undefined
  for (const [name, inner] of Object.entries(schema.properties ?? {})) {
    if (!Object.hasOwn(value, name)) continue
    const found = tooMany(inner, (value as Record<string, unknown>)[name], [...loc, name], levels - 1)
    if (found !== undefined) return found
  }
  return undefined
}

/** The part of a schema that limits the length of lists. */
interface ListSchema {
  readonly maxItems?: number
  readonly properties?: Readonly<Record<string, ListSchema>>
}

/** The steps of a JSON pointer. */
function stepsOf (pointer: string): string[] {
  return pointer.split('/').slice(1).map(step => step.replaceAll('~1', '/').replaceAll('~0', '~'))
}
