// What a PDP says about a request that it rejects: bounded, and without what must not be in a log.
import { isRecord } from '../../kit/is-record.js'
import { readJson } from '../../kit/read-json.js'

/** The longest words that are kept, characters. */
const MAX_WORDS = 300

/** The shortest text that is hidden: shorter ones are in every sentence. */
const LEAST_HIDDEN = 3

/** The parts of a question whose values are not logged. */
const HIDDEN = new Set(['attributes', 'properties', 'context'])

/**
 * The words in the body of an error, in a form that PDPs use; undefined when there are none.
 * @param request - the body of the request: values of attributes and context are hidden where the PDP quotes them
 * @param secret - the token, which is hidden, too
 */
export function errorTextOf (body: string, isJson: boolean, request: string | undefined, secret: string | undefined): string | undefined {
  const words = isJson ? wordsOf(parsed(body)) : body
  if (words === undefined || words.trim() === '') return undefined
  const safe = valuesIn(request).reduce((text, value) => text.replaceAll(value, '…'), withoutSecret(words, secret))
  return safe.trim().slice(0, MAX_WORDS)
}

/** A text of a server, without the token that the server was sent. To be called before the text is cut, which could leave a part of it. */
export function withoutSecret (text: string, secret: string | undefined): string {
  return secret === undefined ? text : text.replaceAll(secret, '…')
}

function wordsOf (body: unknown): string | undefined {
  if (typeof body === 'string') return body
  if (Array.isArray(body)) return wordsOf(body[0])
  if (!isRecord(body)) return undefined
  for (const name of ['message', 'detail', 'error_description', 'msg', 'error', 'title', 'reason']) {
    const words = wordsOf(body[name])
    if (words !== undefined && words !== '') return words
  }
  return undefined
}

/** The values that a question gives, the longest first: one may contain another. */
function valuesIn (request: string | undefined): string[] {
  if (request === undefined) return []
  const values = new Set<string>()
  const collect = (value: unknown, isHidden: boolean): void => {
    if (typeof value === 'object' && value !== null) {
      for (const [name, part] of Object.entries(value)) collect(part, isHidden || HIDDEN.has(name))
    } else if (isHidden && (typeof value === 'string' || typeof value === 'number')) {
      const text = String(value)
      if (text.length >= LEAST_HIDDEN) values.add(text)
    }
  }
  collect(parsed(request), false)
  return [...values].sort((a, b) => b.length - a.length)
}

function parsed (text: string): unknown {
  try {
    return readJson(text)
  } catch {
    return undefined
  }
}
