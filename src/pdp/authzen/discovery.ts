// AuthZEN discovery: reads the endpoints from the PDP's metadata, validates them as the standard requires, and caches them for a while.
import { PdpError } from '../../contract/errors.js'
import type { Transport } from '../http/transport.js'
import { metadata } from './authzen-answer-schema.js'

/** Paths at the PDP's origin. */
export interface Endpoints {
  readonly evaluation: string
  /** Undefined when the metadata has no such endpoint. */
  readonly evaluations: string | undefined
  /** Undefined when the metadata has no such endpoint. */
  readonly searchResource: string | undefined
  readonly searchSubject: string | undefined
  readonly searchAction: string | undefined
}

export interface DiscoveryLog {
  warn (details: object, message: string): void
}

interface DiscoveryOptions {
  /** The configured URL of the PDP, or of each replica; all have the same path. */
  readonly urls: readonly URL[]
  /** Whether the metadata is read; if not, the endpoints are at their default paths. */
  readonly enabled: boolean
  /** The timeout for reading the metadata, ms. */
  readonly timeout: number
  readonly log?: DiscoveryLog
}

/** How long endpoints are used before the metadata is read again, ms: the PDP may be upgraded or moved. */
const REFRESH_AFTER = 5 * 60_000

/** How soon a failed refresh is retried while older endpoints are still in use, ms. */
const RETRY_AFTER = 10_000

/**
 * Reads the metadata when endpoints are needed, and refreshes it after a while; never more than one request at a time. While no endpoints
 * are known, a check waits for the request in flight, and tries once more when that fails.
 *
 * The endpoints are at their default paths when the PDP has no metadata (404 and the like), and when the metadata names another URL than
 * the configured one, because the standard forbids its use. Endpoints at another origin are rejected, because the token and the checks
 * must only go to the configured origins. Any other response is an error, and there is no decision until discovery succeeds.
 */
export class Discovery {
  readonly #transport: Pick<Transport, 'send'>
  readonly #options: DiscoveryOptions
  readonly #defaults: Endpoints
  readonly #clock: { now (): number }
  #known: Endpoints | undefined
  #due = Infinity
  #refreshing: Promise<Endpoints> | undefined
  #warned = ''

  /**
   * @param transport - connects to the origin of the PDP's URL
   * @param clock - for tests; default: the process's monotonic clock
   */
  constructor (transport: Pick<Transport, 'send'>, options: DiscoveryOptions, clock: { now (): number } = performance) {
    this.#transport = transport
    this.#options = options
    this.#clock = clock
    const prefix = pathOf(options.urls[0] as URL)
    this.#defaults = {
      evaluation: `${prefix}/access/v1/evaluation`,
      evaluations: `${prefix}/access/v1/evaluations`,
      searchResource: `${prefix}/access/v1/search/resource`,
      searchSubject: `${prefix}/access/v1/search/subject`,
      searchAction: `${prefix}/access/v1/search/action`
    }
    if (!options.enabled) this.#known = this.#defaults
  }

  /** The endpoints, if they are known. Starts a refresh when it is due, without waiting for it. */
  get known (): Endpoints | undefined {
    if (this.#known !== undefined && this.#clock.now() >= this.#due) this.#refresh().catch(() => {})
    return this.#known
  }

  /** The endpoints. Rejects with a `PdpError` when discovery fails. */
  async find (): Promise<Endpoints> {
    if (this.#refreshing !== undefined) {
      try {
        return await this.#refreshing
      } catch {
        // That request was sent earlier. The PDP may have recovered since.
      }
    }
    return this.#known ?? this.#refresh()
  }

  /** Reads the metadata, whether or not endpoints are known. Rejects with a `PdpError` when the response is not valid. */
  async ask (deadline: number): Promise<Endpoints> {
    const path = pathOf(this.#options.urls[0] as URL)
    try {
      return await this.#askAt(path, deadline)
    } catch (error) {
      if (!(error instanceof PdpError) || !saysNothingIsThere(error.status)) throw error
    }
    // OpenFGA has its metadata below the id of the store, without the path before it.
    const [, store] = /\/stores(\/[^/]+)$/.exec(path) ?? []
    if (store === undefined || !this.#options.enabled) return this.#defaults
    try {
      return await this.#askAt(store, deadline)
    } catch (error) {
      // It refuses with 500 when it does not know its own URL. The default paths are where it has its endpoints.
      if (error instanceof PdpError && error.status !== undefined) return this.#defaults
      throw error
    }
  }

  /** Reads the metadata of a path of the PDP's URL. The well-known part stands between host and path, as the standard requires. */
  #askAt (path: string, deadline: number): Promise<Endpoints> {
    return this.#transport.send({
      method: 'GET',
      path: `/.well-known/authzen-configuration${path}`,
      deadline,
      read: answer => this.#options.enabled ? this.#read(answer) : this.#defaults
    })
  }

  #refresh (): Promise<Endpoints> {
    this.#refreshing ??= this.ask(performance.now() + this.#options.timeout).then(endpoints => {
      this.#known = endpoints
      this.#due = this.#clock.now() + REFRESH_AFTER
      return endpoints
    }, error => {
      // When the endpoints have moved to another origin, the old ones are not used any more.
      if (error instanceof OtherOriginError) this.#known = undefined
      this.#due = this.#clock.now() + RETRY_AFTER
      this.#warn(error instanceof Error ? error.message : 'unknown')
      throw error
    }).finally(() => { this.#refreshing = undefined })
    return this.#refreshing
  }

  #read (answer: unknown): Endpoints {
    if (!metadata.Check(answer)) {
      throw new PdpError('answer', "the PDP's response to /.well-known/authzen-configuration is not AuthZEN metadata; " +
        'to use the default endpoints, set the option "authzen" to { discovery: false }')
    }
    const { urls } = this.#options
    if (!urls.some(url => isSame(answer.policy_decision_point, url))) {
      const configured = urls.map(url => url.origin + pathOf(url)).join(', ')
      this.#warn(`the PDP's metadata names another URL than the configured ${configured}, so the default endpoints are used`)
      return this.#defaults
    }
    const { access_evaluation_endpoint: evaluation, access_evaluations_endpoint: evaluations } = answer
    const pathOfOptional = (endpoint: string | undefined): string | undefined =>
      endpoint === undefined ? undefined : this.#pathAtOrigin(endpoint)
    const found = {
      evaluation: this.#pathAtOrigin(evaluation),
      evaluations: pathOfOptional(evaluations),
      searchResource: pathOfOptional(answer.search_resource_endpoint),
      searchSubject: pathOfOptional(answer.search_subject_endpoint),
      searchAction: pathOfOptional(answer.search_action_endpoint)
    }
    this.#warned = ''
    return found
  }

  #pathAtOrigin (endpoint: string): string {
    const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined
    if (url === undefined || url.username !== '' || url.password !== '' || url.hash !== '') {
      throw new PdpError('answer', "an endpoint in the PDP's metadata is not an absolute URL")
    }
    const origins = this.#options.urls.map(({ origin }) => origin)
    if (!this.#options.urls.some(configured => isSameOrigin(url, configured))) {
      throw new OtherOriginError(`the PDP's metadata has an endpoint at another origin, ${url.origin.slice(0, 200)}; ` +
        `checks and the token are only sent to ${origins.join(', ')}. If that origin is intended, set the option "pdp" to it`)
    }
    return url.pathname + url.search
  }

  /** Logs a problem once, until there is a different one. */
  #warn (reason: string): void {
    if (reason === this.#warned) return
    this.#warned = reason
    this.#options.log?.warn({ permit: { reason } }, 'permit: the AuthZEN metadata of the PDP cannot be used')
  }
}

class OtherOriginError extends PdpError {
  constructor (message: string) {
    super('answer', message)
  }
}

function saysNothingIsThere (status: number | undefined): boolean {
  return status === 404 || status === 405 || status === 410 || status === 501
}

function isSame (text: string, url: URL): boolean {
  if (!URL.canParse(text)) return false
  const other = new URL(text)
  return isSameOrigin(other, url) && pathOf(other) === pathOf(url) &&
    other.search === '' && other.hash === '' && other.username === '' && other.password === ''
}

/**
 * Whether a URL of the metadata has a configured origin. Behind a proxy that ends TLS, a PDP may name itself with `http:`. That is no other
 * server: only paths are taken from the metadata, and requests go to the configured origin.
 */
function isSameOrigin (other: URL, url: URL): boolean {
  if (other.origin === url.origin) return true
  const isPlainTwin = url.protocol === 'https:' && other.protocol === 'http:' && other.hostname === url.hostname
  return isPlainTwin && (other.port === url.port || other.port === '443')
}

/** The path without trailing slashes, so that another path can be appended. */
function pathOf (url: URL): string {
  return url.pathname.replace(/\/+$/, '')
}
