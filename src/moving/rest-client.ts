// The client of Permit's REST API: requests have a deadline, responses a size limit, and errors quote the API's message.
import { isUtf8 } from 'node:buffer'
import type { Pool } from 'undici'
import { readJson } from '../kit/read-json.js'
import { isRecord } from '../kit/is-record.js'
import { printableLine } from '../kit/printable.js'
import { shorten } from '../kit/shorten.js'
import type { Checker } from '../kit/checker.js'
import { withoutSecret } from '../pdp/http/pdp-error-text.js'
import { proxyFor } from '../pdp/http/proxy.js'
import { settingsFor, trackedSockets } from '../pdp/http/sockets.js'
import { apiScope } from './api-shapes.js'
import { MovingError } from './moving-error.js'

/** Requests at a time. Permit's API allows few requests a second, and answers more of them with 429. */
const CONNECTIONS = 4

/** How long one request may take, ms. */
const TIMEOUT = 30_000

/** The largest answer, bytes. */
const MAX_ANSWER = 16 * 1024 * 1024

/** The number of retries: after 429, and for a safe request after a failure. */
const MAX_RETRIES = 6

/** The longest `Retry-After` that is respected, ms. */
const MAX_WAIT = 60_000

/** The items on a page: the maximum of Permit's API. */
const PER_PAGE = 100

/** The most pages of one list: ten million items. */
const MAX_PAGES = 100_000

/** The most characters of an answer that a message quotes. */
const MAX_QUOTED = 600

/** A method of the API. */
export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** How an API is reached. */
export interface ConnectionOptions {
  /** `https://api.permit.io`, a local PDP, or OpenFGA. */
  readonly url: URL
  /** The API key. It is sent to this host only. Undefined: none is sent. */
  readonly key: string | undefined
  /** The options that an error names. */
  readonly options: { readonly url: string, readonly key: string }
  /** When everything must be done: a time of `performance.now()`, ms. */
  readonly deadline: number
  /** @defaultValue 30 s for each request, ms */
  readonly timeout?: number
}

/** How Permit's API is reached. */
export type RestClientOptions = Omit<ConnectionOptions, 'options' | 'key'> & { readonly key: string }

/** The options that an error about Permit's API names. */
const PERMIT_OPTIONS = { url: '--api-url or PERMIT_API_URL', key: '--api-key or PERMIT_API_KEY' }

/** The environment that the key belongs to. */
export interface Scope {
  readonly organization: string
  readonly project: string
  readonly environment: string
}

/** The API answered with a status that is not 2xx. */
export class ApiError extends MovingError {
  readonly status: number

  constructor (message: string, status: number) {
    super(message)
    this.status = status
  }
}

/** A connection to Permit's REST API, for one environment. */
export class RestClient {
  readonly scope: Scope
  readonly #connection: ApiConnection

  private constructor (connection: ApiConnection, scope: Scope) {
    this.#connection = connection
    this.scope = scope
  }

  /**
   * Connects, and asks which environment the key belongs to.
   *
   * @throws {@link MovingError} when the API cannot be reached, or the key is wrong or not that of one environment
   */
  static async open (options: RestClientOptions): Promise<RestClient> {
    const connection = await ApiConnection.open({ ...options, options: PERMIT_OPTIONS })
    try {
      const answer = await connection.ask('GET', '/v2/api-key/scope', undefined, apiScope)
      const { organization_id: organization, project_id: project, environment_id: environment } = answer
      if (typeof project !== 'string' || typeof environment !== 'string') {
        const level = typeof project === 'string' ? 'a project' : 'an organization'
        throw new MovingError(`the key belongs to ${level}, not to one environment; use the API key of the environment to read or write`)
      }
      return new RestClient(connection, { organization: organization ?? '', project, environment })
    } catch (error) {
      await connection.close()
      throw error
    }
  }

  /** Sends a request below `/v2/schema/{project}/{environment}` or `/v2/facts/…`, and checks its answer. */
  ask<T> (method: Method, half: 'schema' | 'facts' | 'elements', path: string, body?: unknown, checker?: Checker<T>): Promise<T> {
    return this.#connection.ask(method, this.#pathOf(half, path), body, checker)
  }

  /**
   * Reads a list, page by page. Pages after the first are read several at a time if the first one says how many there are.
   *
   * @param keyOf - identifies an item: a duplicate or a wrong total means that the list changed while it was read
   * @throws {@link MovingError} when the list changed while it was read
   */
  async list<T> (
    half: 'schema' | 'facts' | 'elements', path: string, checker: Checker<T>, keyOf: (item: T) => string,
    { query = '', counted = false, onItems }: { query?: string, counted?: boolean, onItems?: (count: number) => void } = {}
  ): Promise<T[]> {
    const at = (page: number, total = false) =>
      `${path}?page=${page}&per_page=${PER_PAGE}${query === '' ? '' : `&${query}`}${total ? '&include_total_count=true' : ''}`
    const read = async (page: number, total = false) => {
      const read = pageOf(await this.ask<unknown>('GET', half, at(page, total)), checker, path)
      onItems?.(read.items.length)
      return read
    }
    const changed = (before: number, then: number) =>
      new MovingError(`${path}: the list changed while it was read (${before} items, then ${then}); run the command again`)
    const first = await read(1, counted)
    const pages = [first.items]
    if (first.total === undefined) {
      for (let page = 2; pages.at(-1)?.length === PER_PAGE; page++) {
        if (page > MAX_PAGES) throw new MovingError(`${path} has more than ${MAX_PAGES} pages`)
        pages.push((await read(page)).items)
      }
    } else {
      const { total } = first
      const count = Math.min(Math.ceil(total / PER_PAGE), MAX_PAGES)
      // A total alone, of a list that ends before it, must not have many pages asked for.
      const requireFull = (page: number, { length }: readonly T[]): void => {
        if (page < count && length < PER_PAGE) throw changed(total, (page - 1) * PER_PAGE + length)
      }
      requireFull(1, first.items)
      const rest = await inParallel(Array.from({ length: Math.max(0, count - 1) }, (_, index) => index + 2), async page => {
        const { items } = await read(page)
        requireFull(page, items)
        return items
      })
      pages.push(...rest)
    }
    const items = pages.flat()
    const keys = new Set(items.map(keyOf))
    if (keys.size < items.length || (first.total !== undefined && items.length !== first.total)) {
      throw changed(first.total ?? keys.size, items.length)
    }
    return items
  }

  /** Closes all connections. */
  close (): Promise<void> {
    return this.#connection.close()
  }

  #pathOf (half: string, path: string): string {
    const { project, environment } = this.scope
    return `/v2/${half}/${encodeURIComponent(project)}/${encodeURIComponent(environment)}${path}`
  }
}

/** Maps a list with a few calls at a time, in order. The first error ends it. */
export async function inParallel<T, R> (items: readonly T[], map: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  let next = 0
  let failed = false
  const worker = async (): Promise<void> => {
    while (next < items.length && !failed) {
      const index = next++
      try {
        results[index] = await map(items[index] as T)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  const ended = await Promise.allSettled(Array.from({ length: CONNECTIONS }, worker))
  const rejected = ended.find(result => result.status === 'rejected')
  if (rejected !== undefined) throw rejected.reason
  return results
}

function pageOf<T> (answer: unknown, checker: Checker<T>, path: string): { items: T[], total: number | undefined } {
  const counted = isRecord(answer) ? answer : undefined
  const items = counted === undefined ? answer : counted['data']
  const total = counted?.['total_count']
  if (!Array.isArray(items) || !items.every(item => checker.Check(item))) throw unexpected(path, PERMIT_OPTIONS.url)
  return { items: items as T[], total: typeof total === 'number' && Number.isSafeInteger(total) ? total : undefined }
}

/** The pool of connections to one host, with retries. */
export class ApiConnection {
  readonly #pool: Pool
  readonly #destroy: () => void
  readonly #prefix: string
  readonly #name: string
  readonly #options: ConnectionOptions

  private constructor (pool: Pool, destroy: () => void, options: ConnectionOptions) {
    this.#pool = pool
    this.#destroy = destroy
    this.#options = options
    this.#prefix = options.url.pathname.replace(/\/+$/, '')
    this.#name = options.url.origin
  }

  static async open (options: ConnectionOptions): Promise<ApiConnection> {
    // The whole of it, unlike an app: its parts have no `request`.
    const undici = await import('undici')
    const { url, timeout = TIMEOUT } = options
    const proxy = proxyFor(url, undefined)
    const sockets = trackedSockets(undici, timeout, proxy === undefined ? {} : { proxy })
    const pool = new undici.Pool(url.origin, { ...settingsFor({}), connect: sockets.connect, connections: CONNECTIONS })
    return new ApiConnection(pool, () => sockets.destroy(), options)
  }

  /**
   * Sends a request, with retries, and validates the response.
   *
   * @param isSafe - whether the request may be repeated. A POST whose response was lost may have been applied: repeated, it would
   * conflict with itself
   * @throws {@link MovingError}
   */
  async ask<T> (
    method: Method, path: string, body: unknown, checker?: Checker<T>, isSafe = method !== 'POST' && method !== 'PATCH'
  ): Promise<T> {
    const text = body === undefined ? undefined : JSON.stringify(body)
    for (let retry = 0; ; retry++) {
      const attempt = await this.#attempt(method, path, text, isSafe)
      const what = this.#nameOf(method, path)
      if ('answer' in attempt) {
        if (checker !== undefined && !checker.Check(attempt.answer)) throw unexpected(what, this.#options.options.url)
        return attempt.answer as T
      }
      const wait = attempt.wait ?? 100 * 2 ** retry
      if (!attempt.again || retry === MAX_RETRIES || performance.now() + wait > this.#options.deadline) throw attempt.error
      if (wait > MAX_WAIT) throw attempt.error
      await new Promise(resolve => setTimeout(resolve, wait))
    }
  }

  async close (): Promise<void> {
    await this.#pool.destroy().catch(() => {})
    this.#destroy()
  }

  async #attempt (method: Method, path: string, body: string | undefined, isSafe: boolean): Promise<Attempt> {
    const { key, deadline, timeout = TIMEOUT } = this.#options
    const what = this.#nameOf(method, path)
    const left = Math.min(timeout, deadline - performance.now())
    if (left <= 0) return { error: new MovingError(`the time is over before ${what}`), again: false }
    const signal = AbortSignal.timeout(Math.ceil(left))
    try {
      const response = await this.#pool.request({
        method,
        path: this.#prefix + path,
        headers: {
          ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
          accept: 'application/json',
          ...(body === undefined ? {} : { 'content-type': 'application/json' })
        },
        ...(body === undefined ? {} : { body }),
        signal
      })
      const { statusCode: status, headers } = response
      const text = await textOf(response.body, what)
      if (status === 429) {
        const wait = waitOf(headers['retry-after'])
        const later = wait !== undefined && wait > MAX_WAIT ? `; it asks to wait ${Math.ceil(wait / 1000)} s` : ''
        return { error: new ApiError(`${this.#name} allows no more requests now (429, ${what})${later}`, status), again: true, wait }
      }
      if (status >= 200 && status < 300) return { answer: text === '' ? undefined : parsed(text, what, this.#options.options.url) }
      const again = isSafe && (status === 502 || status === 503 || status === 504)
      return { error: this.#failure(status, what, text), again, wait: waitOf(headers['retry-after']) }
    } catch (error) {
      if (error instanceof MovingError) return { error, again: false }
      // A bug of this program is not a network error.
      if (error instanceof TypeError) throw error
      if (signal.aborted) {
        return { error: new MovingError(`${this.#name} did not answer ${what} within ${Math.ceil(left)} ms`), again: false }
      }
      return { error: this.#networkFailure(error, what), again: isSafe && isBroken(error) }
    }
  }

  /** A request in an error. Its path has what the API said about the key's environment. */
  #nameOf (method: Method, path: string): string {
    return `${method} ${withoutSecret(pathOnly(path), this.#options.key)}`
  }

  #failure (status: number, what: string, text: string): ApiError {
    const { url: urlOption, key: keyOption } = this.#options.options
    const said = messageIn(text, this.#options.key)
    const quoted = said === undefined ? '' : `: ${said}`
    if (status === 401) {
      return new ApiError(`${this.#name} does not know the key (401)${quoted}\ncheck ${keyOption}`, status)
    }
    if (status === 403) {
      return new ApiError(`${this.#name} does not allow the key ${what} (403)${quoted}\n` +
        `check ${keyOption}: it must be a key of this environment, with the right to write if you push`, status)
    }
    if (status >= 300 && status < 400) {
      return new ApiError(`${this.#name} redirects ${what} (${status}), which is not followed: check ${urlOption}`, status)
    }
    return new ApiError(`${this.#name} answered ${what} with status ${status}${quoted}`, status)
  }

  #networkFailure (error: unknown, what: string): MovingError {
    const { code, name, message } = error as { code?: unknown, name?: unknown, message?: unknown }
    const kind = String(code ?? name)
    // A connection that ends within an answer: what has arrived is not the answer.
    if (kind === 'UND_ERR_SOCKET' || kind === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH' || kind === 'ECONNRESET' || kind.startsWith('HPE_')) {
      return new MovingError(`${this.#name} closed the connection before its answer to ${what} was complete (${kind})`)
    }
    const detail = typeof message === 'string' && message !== '' ? `: ${printableLine(shorten(message, MAX_QUOTED))}` : ''
    return new MovingError(`${this.#name} cannot be reached (${kind}${detail})\ncheck ${this.#options.options.url}, and the network`)
  }
}

type Attempt =
  | { readonly answer: unknown }
  | { readonly error: MovingError, readonly again: boolean, readonly wait?: number | undefined }

/** Whether the connection broke, so that a safe request may be sent again. */
function isBroken (error: unknown): boolean {
  const { code } = error as { code?: unknown }
  return code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH'
}

async function textOf (body: AsyncIterable<Buffer>, what: string): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > MAX_ANSWER) throw new MovingError(`the answer to ${what} is larger than ${MAX_ANSWER} bytes`)
    chunks.push(chunk)
  }
  const bytes = Buffer.concat(chunks)
  if (!isUtf8(bytes)) throw new MovingError(`the answer to ${what} is not UTF-8`)
  return bytes.toString()
}

/** @param option - what an error names, by which the host was given */
function parsed (text: string, what: string, option: string): unknown {
  try {
    return readJson(text)
  } catch {
    throw new MovingError(`the answer to ${what} is not JSON: check ${option}`)
  }
}

function unexpected (what: string, option: string): MovingError {
  return new MovingError(`the answer to ${what} does not have the expected shape: check ${option}`)
}

/** The sentence in an error of Permit's API, `{ title, message, error_code }` or `{ detail }`, without the key that it was sent. */
function messageIn (text: string, key: string | undefined): string | undefined {
  let body: unknown
  try {
    body = readJson(text)
  } catch {
    return undefined
  }
  if (!isRecord(body)) return undefined
  const { message, detail, title } = body
  const said = [message, detail, title].find(part => part !== undefined && part !== null && part !== '')
  if (said === undefined) return undefined
  return printableLine(shorten(withoutSecret(typeof said === 'string' ? said : detailText(said), key), MAX_QUOTED))
}

/** FastAPI's `[{ loc: ['body', 'key'], msg }]` as `body.key: msg`. */
function detailText (detail: unknown): string {
  if (!Array.isArray(detail)) return JSON.stringify(detail)
  return detail.map(item => isRecord(item) && typeof item['msg'] === 'string'
    ? `${Array.isArray(item['loc']) ? `${item['loc'].join('.')}: ` : ''}${item['msg']}`
    : JSON.stringify(item)).join('; ')
}

function pathOnly (path: string): string {
  return path.split('?', 1)[0] ?? path
}

/** A `Retry-After` header, in seconds or as a date, as ms from now. */
function waitOf (header: string | string[] | undefined): number | undefined {
  if (typeof header !== 'string') return undefined
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1000
  const date = Date.parse(header)
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now())
}
