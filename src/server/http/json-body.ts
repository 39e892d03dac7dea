// JSON in: no body is an absent one, garbage is 422 and not an exception of the parser, and nothing is nested deeper than recursion bears.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { inTurns } from '../../kit/turns.js'
import { invalid } from './failures.js'
import { parseJson, TooDeepError } from './json-text.js'

/** Attributes and conditions are a few levels deep. What reads them recurses. */
export const MAX_JSON_DEPTH = 64

/** The most characters that are parsed at once. */
const SHORT = 64 * 1024

const SIZES = new WeakMap<FastifyRequest, number>()

/** The number of characters of a request's body, which is close to its number of bytes. */
export function sizeOfBody (request: FastifyRequest): number {
  return SIZES.get(request) ?? 0
}

/** `application/json`, and what is JSON by its suffix, whatever its parameters. */
const JSON_TYPE = /^application\/(?:[\w!#$&^.+-]+\+)?json(?: *;|$)/i

/** JSON is what is taken, in place of Fastify's parsers: by any of its content types, and without one. */
export function parseJsonBodies (app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser<string>(JSON_TYPE, { parseAs: 'string' }, (request, text, done) => parse(request, text, done))
  app.addContentTypeParser<string>('*', { parseAs: 'string' }, (request, text, done) => {
    // A web page can send a body without a type and without being asked whether it may. It names its origin, which a gateway or an SDK does not.
    const isOfPage = request.headers.origin !== undefined
    if (text === '' || (request.headers['content-type'] === undefined && !isOfPage)) return parse(request, text, done)
    done(invalid('the content type is not JSON: send application/json'))
  })
}

function parse (request: FastifyRequest, given: string, done: (error: Error | null, body?: unknown) => void): void {
  // A mark of byte order is no part of the text.
  const text = given.startsWith('\uFEFF') ? given.slice(1) : given
  SIZES.set(request, text.length)
  if (text.length > SHORT) {
    inTurns(parseJson(text, MAX_JSON_DEPTH)).then(body => done(null, body), (error: unknown) => done(refusal(error)))
    return
  }
  // Clients that send a content type with a DELETE that has no body mean no body.
  if (text.trim() === '') return done(null, undefined)
  if (isDeeperThan(text, MAX_JSON_DEPTH)) return done(refusal(new TooDeepError()))
  // An attribute may be called `__proto__`: it is data, as all attributes are, and nothing here merges with assignments.
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch (error) {
    return done(refusal(error))
  }
  done(null, body)
}

/** Neither the parser's message nor a part of the text goes back. */
function refusal (error: unknown): Error {
  return invalid(error instanceof TooDeepError ? `the body is nested deeper than ${MAX_JSON_DEPTH} levels` : 'the body is not JSON')
}

/** Counts brackets outside of strings; of text that is no JSON any answer will do. */
function isDeeperThan (text: string, limit: number): boolean {
  if (text.length <= limit) return false
  let depth = 0
  let inString = false
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (inString) {
      if (code === BACKSLASH) index++
      else if (code === QUOTE) inString = false
    } else if (code === QUOTE) {
      inString = true
    } else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      if (++depth > limit) return true
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      depth--
    }
  }
  return false
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
