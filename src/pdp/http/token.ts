// The bearer token of requests to a PDP: fixed, returned by a function, or in a file that is replaced when the token changes.
import { readFile, stat } from 'node:fs/promises'
import { PdpError } from '../../contract/errors.js'

/** A token, or what a function for tokens returns. `expiresIn` is in seconds, as in OAuth 2.0 (RFC 6749, 5.1). */
export type TokenAnswer = string | { readonly token: string, readonly expiresIn?: number }

/** Returns the current token. Called when there is none, when the last one is about to expire, and when the PDP has rejected it. */
export type TokenFunction = () => TokenAnswer | Promise<TokenAnswer>

/** Where the token comes from. */
export type TokenSource = string | TokenFunction | { readonly file: string }

/** How long an unanswered call of the function, or a read of the file, is shared before the next request starts a new one, ms. */
const ABANDON_AFTER = 10_000

/** The pause after a renewal that brought the rejected token again, ms: a wrong token must not call the function for each request. */
const SAME_TOKEN_PAUSE = 1_000

/** A file is read again after this time, ms, even if no token was rejected: Kubernetes replaces tokens before they expire. */
const FILE_MAX_AGE = 60_000

/** The largest token file, bytes. */
const MAX_FILE_SIZE = 64 * 1024

/** The part of its lifetime after which a token is renewed. It is used until the new one is there. */
const RENEW_AT = 0.8

const HEADER_SAFE = /^[\x21-\x7e]+$/

/** The token that requests carry. */
export class Token {
  readonly #ask: (() => Promise<TokenAnswer>) | undefined
  #current: string | undefined
  #renewFrom = Infinity
  #expires = Infinity
  #asking: Promise<void> | undefined
  #askedAt = -Infinity
  #sameSince = -Infinity

  constructor (source: TokenSource | undefined) {
    if (typeof source === 'string' || source === undefined) this.#current = source
    else if (typeof source === 'function') this.#ask = async () => await source()
    else this.#ask = () => readToken(source.file)
  }

  /** The token for a request that is sent now; undefined when requests carry none. Call it only when `isReady`. */
  get current (): string | undefined {
    return this.#current
  }

  /** Whether a rejected token may be followed by another one: it comes from a function or a file. */
  get canBeReplaced (): boolean {
    return this.#ask !== undefined
  }

  /** Whether a request can be sent at once. Starts a renewal when the token is about to expire. */
  isReady (now: number): boolean {
    if (this.#ask === undefined) return true
    if (this.#current === undefined || now >= this.#expires) return false
    if (now >= this.#renewFrom) this.#renew(now).catch(() => {})
    return true
  }

  /** Resolves when a request can be sent. Rejects with a {@link PdpError} that does not contain the token. */
  ready (now: number): Promise<void> {
    return this.isReady(now) ? Promise.resolve() : this.#renew(now)
  }

  /**
   * Gets another token after the PDP has rejected this one. Resolves with whether there is another one. Requests that are rejected together
   * share one renewal.
   */
  async replace (rejected: string | undefined, now: number): Promise<boolean> {
    if (this.#ask === undefined) return false
    if (this.#current !== rejected) return this.#current !== undefined
    if (now < this.#sameSince + SAME_TOKEN_PAUSE) return false
    await this.#renew(now)
    if (this.#current !== rejected) return true
    this.#sameSince = now
    return false
  }

  /** Requests a token, or joins the request in flight. */
  #renew (now: number): Promise<void> {
    if (this.#ask === undefined) return Promise.resolve()
    if (this.#asking !== undefined && now < this.#askedAt + ABANDON_AFTER) return this.#asking
    this.#askedAt = now
    const asking = this.#ask().then(answer => this.#take(answer, now), (error: unknown) => { throw tokenError(error) }).finally(() => {
      if (this.#asking === asking) this.#asking = undefined
    })
    this.#asking = asking
    // When it fails, there may be no caller left.
    asking.catch(() => {})
    return asking
  }

  #take (answer: unknown, now: number): void {
    const isObject = typeof answer === 'object' && answer !== null
    const { token, expiresIn } = isObject ? answer as { token?: unknown, expiresIn?: unknown } : { token: answer, expiresIn: undefined }
    // The token itself is in no message.
    if (typeof token !== 'string' || !HEADER_SAFE.test(token)) {
      throw new PdpError('token', 'the function or the file in the option "token" gave a token that cannot be used; ' +
        'expected a string of visible ASCII characters, without spaces')
    }
    if (expiresIn !== undefined && !(typeof expiresIn === 'number' && expiresIn > 0)) {
      throw new PdpError('token', 'the function in the option "token" returned an "expiresIn" that is not a positive number of seconds')
    }
    this.#current = token
    this.#expires = expiresIn === undefined ? Infinity : now + expiresIn * 1_000
    this.#renewFrom = expiresIn === undefined ? Infinity : now + expiresIn * 1_000 * RENEW_AT
  }
}

async function readToken (file: string): Promise<TokenAnswer> {
  const { size } = await stat(file)
  if (size > MAX_FILE_SIZE) throw new PdpError('token', `the token file ${file} has ${size} bytes; expected at most ${MAX_FILE_SIZE}`)
  return { token: (await readFile(file, 'utf8')).trim(), expiresIn: FILE_MAX_AGE / RENEW_AT / 1_000 }
}

/** An error of the function or of the file, without its message, which may quote a secret. */
function tokenError (error: unknown): PdpError {
  if (error instanceof PdpError) return error
  const { code, name, path }: { code?: unknown, name?: unknown, path?: unknown } = typeof error === 'object' && error !== null ? error : {}
  if (typeof path === 'string') {
    return new PdpError('token', `the token file ${path} cannot be read${typeof code === 'string' ? ` (${code})` : ''}`)
  }
  const what = [code, name].find(part => typeof part === 'string' && part !== '') ?? 'no error'
  return new PdpError('token', `the function in the option "token" failed: ${String(what).slice(0, 60)}`)
}
