// Resource keys with values from the route's params: 'task:{id}'. A param can only fill in a value.
import { AnnotationError, QueryError } from '../contract/errors.js'

/** A parsed key template: constant texts around params, `texts.length === params.length + 1`. */
export interface KeyTemplate {
  readonly texts: readonly string[]
  readonly params: readonly string[]
}

const PLACEHOLDER = /\{([^{}]*)\}/g

/** Parses a key such as `{id}` or `{year}-{number}`; undefined when the key has no params. */
export function parseKeyTemplate (key: string): KeyTemplate | undefined {
  const params: string[] = []
  const texts: string[] = []
  let end = 0
  for (const match of key.matchAll(PLACEHOLDER)) {
    texts.push(key.slice(end, match.index))
    params.push(match[1] as string)
    end = match.index + match[0].length
  }
  texts.push(key.slice(end))
  if (texts.slice(1, -1).includes('')) {
    throw new AnnotationError(`the resource key ${JSON.stringify(key)} has two params with nothing between them, ` +
      'so their values would be ambiguous; put a separator between them')
  }
  if (params.includes('') || texts.some(hasBrace)) {
    throw new AnnotationError(`the resource key ${JSON.stringify(key)} has a brace that is not part of a {param}; ` +
      'for a key with braces, use a function')
  }
  return params.length === 0 ? undefined : { texts, params }
}

export function hasBrace (text: string): boolean {
  return text.includes('{') || text.includes('}')
}

/**
 * Fills in a template. Undefined when a param is missing or empty, because the query would then be about the whole type or about a wrong
 * key. Also undefined when a param contains the text that follows it in the template, because then two resources would have the same key:
 * `{org}-{doc}` is `acme-1-2` for `acme-1` and `2`, and also for `acme` and `1-2`.
 */
export function fillKey ({ texts, params: names }: KeyTemplate, params: unknown): string | undefined {
  const last = names.length - 1
  let key = texts[0] as string
  for (let index = 0; index <= last; index++) {
    const value = paramText(params, names[index] as string)
    if (value === undefined) return undefined
    const text = texts[index + 1] as string
    if (index < last && (value + text).indexOf(text) !== value.length) return undefined
    key += value + text
  }
  return key
}

function paramText (params: unknown, name: string): string | undefined {
  if (typeof params !== 'object' || params === null || !Object.hasOwn(params, name)) return undefined
  const value = (params as Record<string, unknown>)[name]
  if (typeof value === 'string') return value === '' ? undefined : value
  // The route's schema may have converted it to a number or a boolean. The handler sees the same value.
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return String(value)
  if (value === undefined || value === null) return undefined
  throw new QueryError(`the param "${name}" is neither a string nor a number or boolean, so it cannot be a resource's key`)
}
