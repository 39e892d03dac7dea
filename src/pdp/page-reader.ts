// Reads the pages of a search. Rejects a PDP whose pages repeat, do not end, or have wrong counts.
import { PdpError, SearchError, UnavailableError } from '../contract/errors.js'
import { isRecord } from '../kit/is-record.js'

/** The most pages of one search. */
const MAX_PAGES = 1_000

export class PageReader {
  /** The token of the next page; undefined before the first page, and after the last one. */
  token: string | undefined
  readonly #name: string
  readonly #seen = new Set<string>()
  #found = 0

  /** @param name - the URL of the PDP, for errors */
  constructor (name: string) {
    this.#name = name
  }

  /**
   * Reads the `page` of an answer (section 8.2.2 of AuthZEN 1.0).
   *
   * @param count - how many results the answer has
   * @throws `SearchError` when the pages do not end, `UnavailableError` when the page cannot be believed
   */
  read (page: unknown, count: number): void {
    this.#found += count
    if (page !== undefined && page !== null && !isRecord(page)) throw unbelievable('the page is not an object')
    const { next_token: next = '', count: said, total } = isRecord(page) ? page : {}
    if (typeof next !== 'string' && next !== null) throw unbelievable('its next_token is not a string')
    if (isNumber(said) && said !== count) throw unbelievable(`it claims ${said} results, but has ${count}`)
    if (next === '' || next === null) {
      if (isNumber(total) && total > this.#found) {
        throw unbelievable(`it claims ${total} results, but the last page comes after ${this.#found}`)
      }
      this.token = undefined
      return
    }
    if (this.#seen.has(next)) throw this.#endless('repeats a page')
    if (this.#seen.size >= MAX_PAGES) throw this.#endless(`has more than ${MAX_PAGES} pages`)
    this.#seen.add(next)
    this.token = next
  }

  #endless (what: string): Error {
    return new SearchError(`the search of ${this.#name} ${what}. Set a limit, or use filter()`)
  }
}

function isNumber (value: unknown): value is number {
  return typeof value === 'number'
}

function unbelievable (why: string): Error {
  return new UnavailableError(new PdpError('answer', `the PDP's response to a search cannot be used: ${why}`))
}
