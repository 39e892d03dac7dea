// The URL of a request for URL mapping rules: rebuilt from what Fastify's router has matched. The URL as the client wrote it may be
// read in another way by a rule than by the router, and so get by with a weaker permission.
import type { FastifyRequest } from 'fastify'
import { askedUrl, encodeSegment, encodeSegments, hasDots, writableText, type AskedUrl } from '../guard/asked-url.js'
import { isRecord } from '../kit/is-record.js'

type Part = { readonly text: string } | { readonly param: string, readonly isOptional: boolean }

const PARTS = new Map<string, readonly Part[]>()

/** Reads the URL of a request: its route with the params that the handler will see, and the query that it will see. */
export function routeUrl (request: FastifyRequest): AskedUrl {
  const { url } = request.routeOptions
  if (url === undefined || request.is404) return { refused: 'the request has no route' }
  let parts = PARTS.get(url)
  if (parts === undefined) PARTS.set(url, parts = partsOf(url))
  return askedUrl(request, pathOf(parts, request.params, request.raw.url ?? ''))
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

/** Undefined for a path that a server behind the handler, or a file system, could read in another way. */
function pathOf (parts: readonly Part[], params: unknown, raw: string): string | undefined {
  let path = ''
  for (const part of parts) {
    if ('text' in part) {
      path += encodeSegments(part.text)
      continue
    }
    const given = isRecord(params) ? params[part.param] : undefined
    if ((given === undefined || given === null) && part.isOptional) {
      if (path.endsWith('/')) path = path.slice(0, -1)
      continue
    }
    const value = writableText(given)
    if (value === undefined) return undefined
    if (part.param === '*') {
      if (!isPlain(value, raw)) return undefined
      path += encodeSegments(value)
    } else {
      path += encodeSegment(value)
    }
  }
  if (hasDots(path)) return undefined
  return path === '' ? '/' : path
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
