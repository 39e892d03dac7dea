// The URL of a request for URL mapping rules: rebuilt from what Fastify's router has matched. The URL as the client wrote it may be
// read in another way by a rule than by the router, and so get by with a weaker permission.
import type { FastifyRequest } from 'fastify'
import type { AskedUrl } from '../guard/url-query.js'
import { isRecord } from '../kit/is-record.js'

type Part = { readonly text: string } | { readonly param: string, readonly isOptional: boolean }

const PARTS = new Map<string, readonly Part[]>()

/** Reads the URL of a request: its route with the params that the handler will see, and the query that it will see. */
export function routeUrl (request: FastifyRequest): AskedUrl {
  const { url } = request.routeOptions
  if (url === undefined || request.is404) return { refused: 'the request has no route' }
  let parts = PARTS.get(url)
  if (parts === undefined) PARTS.set(url, parts = partsOf(url))
  const path = pathOf(parts, request.params, request.raw.url ?? '')
  if (path === undefined) return { refused: 'the path can be read in more than one way' }
  const query = queryOf(request.query)
  if (query === undefined) return { refused: 'the query has a name twice, or a value that is no text' }
  // What HEAD tells, GET tells, too.
  return { method: request.method === 'HEAD' ? 'GET' : request.method, path, query }
}

/** The names of the params in a route's URL, as they are read here. */
export function paramsOfUrl (url: string): string[] {
  return partsOf(url).flatMap(part => 'param' in part ? [part.param] : [])
}

/** The syntax of find-my-way: `:name`, `:name(expression)`, `:name?` at the end of a segment, `::` for a colon, `*` for the rest. */
function partsOf (url: string): Part[] {
  const parts: Part[] = []
  let text = ''
  for (let index = 0; index < url.length; index++) {
    const mark = url[index]
    if (mark === ':' && url[index + 1] === ':') {
      text += ':'
      index++
    } else if (mark === ':' || mark === '*') {
      if (text !== '') parts.push({ text })
      text = ''
      const [name = ''] = mark === '*' ? ['*'] : /^[^/.(-]*/.exec(url.slice(index + 1)) ?? []
      const isOptional = name.endsWith('?')
      parts.push({ param: isOptional ? name.slice(0, -1) : name, isOptional })
      if (mark === ':') index += name.length
      if (mark === ':' && url[index + 1] === '(') index = closing(url, index + 1)
    } else {
      text += mark
    }
  }
  if (text !== '') parts.push({ text })
  return parts
}

/** The index of the parenthesis that closes the one at the given index. */
function closing (url: string, open: number): number {
  let depth = 0
  for (let index = open; index < url.length; index++) {
    if (url[index] === '\\') index++
    else if (url[index] === '(') depth++
    else if (url[index] === ')' && --depth === 0) return index
  }
  return url.length
}

/** Control characters, and halves of characters, which cannot be written into a URL. */
const UNWRITABLE = /[\p{Cc}\p{Surrogate}]/u

/** Undefined for a path that a server behind the handler, or a file system, could read in another way. */
function pathOf (parts: readonly Part[], params: unknown, raw: string): string | undefined {
  let path = ''
  for (const part of parts) {
    if ('text' in part) {
      path += encodeSegments(part.text)
      continue
    }
    const value = isRecord(params) ? paramText(params[part.param]) : undefined
    if (value === undefined && part.isOptional) {
      if (path.endsWith('/')) path = path.slice(0, -1)
      continue
    }
    if (value === undefined || UNWRITABLE.test(value)) return undefined
    if (part.param === '*') {
      if (!isPlain(value, raw)) return undefined
      path += encodeSegments(value)
    } else {
      path += encodeSegment(value)
    }
  }
  if (path.split('/').some(segment => segment === '.' || segment === '..')) return undefined
  return path === '' ? '/' : path
}

function paramText (value: unknown): string | undefined {
  if (typeof value === 'string') return value
  return typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint' ? String(value) : undefined
}

/**
 * Whether the rest of a path, behind `*`, is in normal form. Its handler often hands the path on as the client wrote it: to another server
 * or to the file system, which may decode it once more, leave out empty segments, or cut parameters off.
 */
function isPlain (rest: string, raw: string): boolean {
  const [path = ''] = raw.split('?', 1)
  if (/%2f|%5c/i.test(path) || /[%\\;]/.test(rest)) return false
  return rest === '' || rest.split('/').every(segment => segment !== '' && segment !== '.' && segment !== '..')
}

function encodeSegments (text: string): string {
  return text.split('/').map(encodeSegment).join('/')
}

/** Percent-encodes what a segment of a path cannot have (RFC 3986, section 3.3), and the semicolon, at which some routers end the path. */
function encodeSegment (text: string): string {
  return encodeURIComponent(text).replace(/%(?:3A|40|24|26|2B|2C|3D)/g, decodeURIComponent)
}

/** The query, with its question mark; undefined when a value is not a single text. */
function queryOf (query: unknown): string | undefined {
  if (!isRecord(query)) return query === undefined || query === null ? '' : undefined
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    const text = paramText(value)
    if (text === undefined || /\p{Surrogate}/u.test(name + text)) return undefined
    parameters.append(name, text)
  }
  const text = parameters.toString()
  return text === '' ? '' : `?${text}`
}
