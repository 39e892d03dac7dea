// URL mapping rules: from a method and a URL to a permission, as Permit's PDP reads them.
import type { LinearRegExp } from '../../kit/linear-regexp.js'
import type { WorkBudget } from './work-budget.js'

/** The permission that a URL stands for. */
export interface MappedUrl {
  readonly action: string
  readonly type: string
  /** The values of the rule's `{names}` or named groups: attributes of the resource. */
  readonly attributes: Record<string, unknown>
}

/** A compiled rule. */
export interface CompiledMappingRule {
  readonly type: string
  readonly action: string
  readonly pattern: UrlTemplate | UrlExpression
  /** The place of the rule in the document. */
  readonly place: ReadonlyArray<string | number>
}

/** A URL with `{names}` for whole segments of the path, and for whole values of the query. */
interface UrlTemplate {
  readonly kind: 'template'
  readonly segments: readonly UrlPart[]
  /** Undefined when the rule has no query; then a request may have any. */
  readonly query: ReadonlyMap<string, UrlPart> | undefined
}

/** An expression that must match from the start of the URL, but not up to its end. */
interface UrlExpression {
  readonly kind: 'expression'
  readonly expression: LinearRegExp
}

type UrlPart = { readonly text: string } | { readonly name: string }

/** The rules by method, in lower case; those with the highest priority first. */
export type UrlMapping = ReadonlyMap<string, readonly CompiledMappingRule[]>

/** Compiles a URL with `{names}`. */
export function urlTemplate (url: string): UrlTemplate {
  const [path, query] = splitUrl(url)
  return {
    kind: 'template',
    segments: path.split('/').map(partOf),
    query: query === undefined ? undefined : new Map(Array.from(parametersOf(query), ([name, value]) => [name, partOf(value)]))
  }
}

/** The permission of the first rule that matches; undefined when none does. URLs are compared as texts: nothing is decoded in a path. */
export function mapUrl (mapping: UrlMapping, method: string, url: string, work: WorkBudget): MappedUrl | undefined {
  const rules = mapping.get(method.toLowerCase())
  if (rules === undefined) return undefined
  const [path, query] = splitUrl(url)
  work.read(url.length)
  const segments = path.split('/')
  let parameters: ReadonlyMap<string, string> | undefined
  for (const { type, action, pattern, place } of rules) {
    work.place = place
    let attributes: Record<string, unknown> | undefined
    if (pattern.kind === 'expression') {
      // Half a step for each instruction and character is an estimate on the safe side.
      work.spend(1 + ((pattern.expression.size * url.length) >>> 1))
      attributes = pattern.expression.match(url)
    } else {
      work.spend(1)
      if (pattern.segments.length !== segments.length || (pattern.query !== undefined && query === undefined)) continue
      work.spend(segments.length)
      parameters ??= query === undefined ? new Map() : parametersOf(query)
      attributes = valuesOf(pattern, segments, parameters)
    }
    if (attributes !== undefined) return { type, action, attributes }
  }
  return undefined
}

function valuesOf (
  { segments: expected, query }: UrlTemplate, segments: readonly string[], parameters: ReadonlyMap<string, string>
): Record<string, unknown> | undefined {
  const values: Array<[string, string]> = []
  for (const [index, part] of expected.entries()) {
    const given = segments[index] ?? ''
    if ('name' in part) values.push([part.name, given])
    else if (part.text !== given) return undefined
  }
  for (const [name, part] of query ?? []) {
    const given = parameters.get(name)
    if (given === undefined) return undefined
    if ('name' in part) values.push([part.name, given])
    else if (part.text !== given) return undefined
  }
  return Object.fromEntries(values)
}

function splitUrl (url: string): [path: string, query: string | undefined] {
  const mark = url.indexOf('?')
  return mark === -1 ? [url, undefined] : [url.slice(0, mark), url.slice(mark + 1)]
}

function partOf (text: string): UrlPart {
  return text.startsWith('{') && text.endsWith('}') ? { name: text.slice(1, -1) } : { text }
}

/** Of a name that is given twice, the last value counts. */
function parametersOf (query: string): Map<string, string> {
  // URLSearchParams drops a question mark at the start, which belongs to the first name here.
  return new Map(new URLSearchParams(`&${query}`))
}
