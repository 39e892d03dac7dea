// Writes keys as ids of a PDP, and reads ids as keys.
import { QueryError } from '../../contract/errors.js'
import type { EvaluationIds } from '../../contract/evaluation.js'

/**
 * Percent-encoding, as in URLs: everything but letters, digits and `-_.!~'()` is written as the bytes of its UTF-8. So an id has no colon,
 * `#`, `@`, slash, space, control character or `*`. A text with a lone surrogate has no id.
 */
export const ENCODED: EvaluationIds = {
  write (key) {
    try {
      return encodeURIComponent(key).replaceAll('*', '%2A')
    } catch {
      return undefined
    }
  },
  read (id) {
    try {
      return decodeURIComponent(id)
    } catch {
      return undefined
    }
  }
}

/** Keys are ids. */
const AS_THEY_ARE: EvaluationIds = { write: key => key, read: id => id }

/** The ids of one PDP: those of the option `authzen.ids`, and what is checked of its functions. */
export class WireIds {
  readonly #ids: EvaluationIds

  constructor (ids: 'encode' | EvaluationIds | undefined) {
    this.#ids = ids === undefined ? AS_THEY_ARE : ids === 'encode' ? ENCODED : ids
  }

  /**
   * The id for a key; undefined when the PDP cannot have it.
   * @throws `QueryError` when the app's function throws or returns something else
   */
  write (key: string, type: string): string | undefined {
    const id: unknown = called('write', () => this.#ids.write(key, type))
    return id === '' ? undefined : textOrNothing('write', id)
  }

  /** The key whose id this is; undefined when no key has it. */
  read (id: string, type: string): string | undefined {
    const key = textOrNothing('read', called('read', () => this.#ids.read(id, type)))
    // Several ids may be read as one key. Only the one that is written for it can be asked about.
    return key === undefined || key === '' || this.write(key, type) !== id ? undefined : key
  }
}

function called (name: string, call: () => unknown): unknown {
  try {
    return call()
  } catch (cause) {
    throw new QueryError(`the option "authzen.ids.${name}" threw an error`, { cause })
  }
}

function textOrNothing (name: string, value: unknown): string | undefined {
  if (value === undefined || typeof value === 'string') return value
  throw new QueryError(`the option "authzen.ids.${name}" returned no string; expected a string, or undefined when there is none`)
}
