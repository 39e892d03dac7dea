// The URL of a request for URL mapping rules: its values percent-encoded, and refused where a rule and a handler could read it differently.
import { AnnotationError } from '../contract/errors.js'
import { describe } from '../decision/input-checks.js'
import { isRecord } from '../kit/is-record.js'

/** The method and the URL of a request, or the reason why rules cannot be applied to it. */
export type AskedUrl = { readonly method: string, readonly path: string, readonly query: string } | { readonly refused: string }

export const AMBIGUOUS_PATH = 'the path can be read in more than one way'

/** Control characters, and halves of characters, which cannot be written into a URL. */
const UNWRITABLE = /[\p{Cc}\p{Surrogate}]/u

/** The URL of a request with this path; undefined for a path that can be read in more than one way. */
export function askedUrl (request: unknown, path: string | undefined): AskedUrl {
  const { method, query: given } = request as { readonly method?: unknown, readonly query?: unknown }
  if (path === undefined) return { refused: AMBIGUOUS_PATH }
  const query = queryText(given)
  if (query === undefined) return { refused: 'the query has a name twice, or a value that is no text' }
  // What HEAD tells, GET tells, too.
  return { method: method === 'HEAD' ? 'GET' : String(method), path, query }
}

/** The text of a param or of a value in the query; undefined for lists, objects, and what a URL cannot have. */
export function writableText (value: unknown): string | undefined {
  const text = textOf(value)
  return text === undefined || UNWRITABLE.test(text) ? undefined : text
}

export function encodeSegments (text: string): string {
  return text.split('/').map(encodeSegment).join('/')
}

/** Percent-encodes what a segment of a path cannot have (RFC 3986, section 3.3), and the semicolon, at which some routers end the path. */
export function encodeSegment (text: string): string {
  return encodeURIComponent(text).replace(/%(?:3A|40|24|26|2B|2C|3D)/g, decodeURIComponent)
}

export function hasDots (path: string): boolean {
  return path.split('/').some(segment => segment === '.' || segment === '..')
}

/** A path as a guard declares it: each segment is a text, or a param that fills it. */
export interface UrlTemplate {
  readonly segments: ReadonlyArray<{ readonly text: string } | { readonly param: string }>
  readonly params: readonly string[]
}

const EXAMPLE = "expected the whole path, such as { url: '/tasks/{id}' }"

/**
 * Reads `'/tasks/{id}'`.
 * @throws `AnnotationError`
 */
export function parseUrlTemplate (url: unknown): UrlTemplate {
  if (typeof url !== 'string' || !url.startsWith('/')) throw new AnnotationError(`url is ${describe(url)}; ${EXAMPLE}`)
  const parts = url.slice(1).split('/')
  const segments = parts.map((part, index): UrlTemplate['segments'][number] => {
    const [, param] = /^\{([^{}]+)\}$/.exec(part) ?? []
    if (param !== undefined) return { param }
    const [, colon] = /^:(\w+)/.exec(part) ?? []
    if (colon !== undefined) throw new AnnotationError(`url has ${JSON.stringify(part)}, which is not a param here; write {${colon}}`)
    const isEmpty = part === '' && index < parts.length - 1
    if (isEmpty || part === '.' || part === '..' || /[{}?#%\\;*\s]/.test(part) || writableText(part) === undefined) {
      throw new AnnotationError(`url has the segment ${JSON.stringify(part)}, which is neither a plain text nor a {param}; ${EXAMPLE}`)
    }
    return { text: encodeSegment(part) }
  })
  return { segments, params: segments.flatMap(segment => 'param' in segment ? [segment.param] : []) }
}

/** Fills in the params of a request; undefined when one is not a single, plain segment: a value never changes the path's shape. */
export function fillUrl ({ segments }: UrlTemplate, params: unknown): string | undefined {
  let path = ''
  for (const segment of segments) {
    if ('text' in segment) {
      path += `/${segment.text}`
      continue
    }
    const value = isRecord(params) && Object.hasOwn(params, segment.param) ? writableText(params[segment.param]) : undefined
    if (value === undefined || value === '' || value === '.' || value === '..' || /[/\\]/.test(value)) return undefined
    path += `/${encodeSegment(value)}`
  }
  return path
}

/** The query, with its question mark; undefined when a value is not a single text. */
function queryText (query: unknown): string | undefined {
  if (!isRecord(query)) return query === undefined || query === null ? '' : undefined
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    const text = textOf(value)
    if (text === undefined || /\p{Surrogate}/u.test(name + text)) return undefined
    parameters.append(name, text)
  }
  const text = parameters.toString()
  return text === '' ? '' : `?${text}`
}

function textOf (value: unknown): string | undefined {
  if (typeof value === 'string') return value
  return typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint' ? String(value) : undefined
}
