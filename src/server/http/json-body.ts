// Parses JSON bodies: an empty body is no body, JSON that is invalid or has a name twice gets 422, and the depth of nesting is limited.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { inTimeSlices } from '../../kit/time-slices.js'
import { DuplicateNameError, measure, readUnambiguousJson } from '../../kit/unambiguous-json.js'
import { invalid } from './error-responses.js'
import { parseJson, TooDeepError } from './incremental-json.js'

/** The most levels of nesting. Attributes and conditions need a few, and the code that reads them is recursive. */
const MAX_JSON_DEPTH = 64

/** The most characters that are parsed in one step. */
const SHORT = 64 * 1024

const SIZES = new WeakMap<FastifyRequest, number>()

/** The number of characters of a request's body, which is close to its number of bytes. */
export function sizeOfBody (request: FastifyRequest): number {
  return SIZES.get(request) ?? 0
}

/** `application/json` and types with the suffix `+json`, with any parameters. */
const JSON_TYPE = /^application\/(?:[\w!#$&^.+-]+\+)?json(?: *;|$)/i

/** Replaces Fastify's parsers: accepts JSON under any of its content types, and without a content type. */
export function parseJsonBodies (app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser<string>(JSON_TYPE, { parseAs: 'string' }, (request, text, done) => parse(request, text, done))
  app.addContentTypeParser<string>('*', { parseAs: 'string' }, (request, text, done) => {
    // A web page can send a body without a content type to another origin without a preflight request. Its request has an `Origin` header;
    // requests of gateways and SDKs have none.
    const isFromPage = request.headers.origin !== undefined
    if (text === '' || (request.headers['content-type'] === undefined && !isFromPage)) return parse(request, text, done)
    done(invalid('the content type is not JSON; send application/json'))
  })
}

function parse (request: FastifyRequest, given: string, done: (error: Error | null, body?: unknown) => void): void {
  // A byte order mark is not part of the text.
  const text = given.startsWith('\uFEFF') ? given.slice(1) : given
  SIZES.set(request, text.length)
  if (text.length > SHORT) {
    inTimeSlices(parseJson(text, MAX_JSON_DEPTH)).then(body => done(null, body), (error: unknown) => done(refusal(error)))
    return
  }
  // Some clients send a content type with a DELETE that has no body.
  if (text.trim() === '') return done(null, undefined)
  if (measure(text, MAX_JSON_DEPTH).tooDeepAt !== undefined) return done(refusal(new TooDeepError()))
  // An attribute may be named `__proto__`. That is safe, because nothing here merges bodies by assignment.
  let body: unknown
  try {
    body = readUnambiguousJson(text)
  } catch (error) {
    return done(refusal(error))
  }
  done(null, body)
}

/** The response contains neither the parser's message nor a part of the text. */
function refusal (error: unknown): Error {
  if (error instanceof DuplicateNameError) return invalid('the body has a name twice in one object')
  return invalid(error instanceof TooDeepError ? `the body is nested deeper than ${MAX_JSON_DEPTH} levels` : 'the body is not JSON')
}
