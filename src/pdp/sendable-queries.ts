// Which questions cannot be sent: PDPs reject what follows, and with it every question in the same batch.
import { PdpError } from '../contract/errors.js'

/** The largest question, characters: servers take bodies of one or two megabytes. */
const MAX_QUESTION = 1024 * 1024

/** The deepest nesting of a question: parsers of JSON stop at about 128. */
const MAX_DEPTH = 100

/** Lone surrogates are no Unicode text. `JSON.stringify` writes them, and no others, as escape sequences. */
const LONE_SURROGATE = /(?<!\\)(?:\\\\)*\\ud[89a-f]/

/**
 * Why a question cannot be sent; undefined when it can.
 * @param text - the question as JSON, or a part of it
 */
export function unsendable (text: string): PdpError | undefined {
  if (LONE_SURROGATE.test(text)) return refused('contains a lone surrogate, so it is not valid Unicode')
  if (text.length > MAX_QUESTION) return refused(`has ${text.length} characters; at most ${MAX_QUESTION} are sent`)
  // Each level has two brackets.
  if (text.length > 2 * MAX_DEPTH && depthOf(text) > MAX_DEPTH) return refused(`is nested more than ${MAX_DEPTH} levels deep`)
  return undefined
}

function refused (why: string): PdpError {
  return new PdpError('unsendable', `the question was not sent to the PDP: it ${why}`)
}

function depthOf (text: string): number {
  let depth = 0
  let deepest = 0
  let inText = false
  for (let index = 0; index < text.length; index++) {
    switch (text.charCodeAt(index)) {
      case 0x22: inText = !inText; break
      case 0x5c: index++; break
      case 0x5b: case 0x7b: if (!inText && ++depth > deepest) deepest = depth; break
      case 0x5d: case 0x7d: if (!inText) depth--
    }
  }
  return deepest
}
