// Where an AuthZEN PDP has its endpoints: asked for, checked as the standard says, remembered for a while.
import Type from 'typebox'
import { Compile } from 'typebox/compile'
import { PdpError } from '../../contract/errors.js'
import type { Transport } from '../http/transport.js'

/** Paths at the PDP's origin. */
export interface Endpoints {
  readonly evaluation: string
  /** Undefined where the PDP says that it has none. */
  readonly evaluations: string | undefined
}

export interface DiscoveryLog {
  warn (details: object, message: string): void
}

export interface DiscoveryOptions {
  /** The PDP's URL, as it was configured, or those of its replicas, which have one path. */
  readonly urls: readonly URL[]
  /** Whether the PDP is asked at all; if not, the endpoints are at their default paths. */
  readonly enabled: boolean
  /** Ms that an answer may take. */
  readonly timeout: number
  readonly log?: DiscoveryLog
}

/** How long endpoints are used before they are looked for again: a PDP may have been upgraded, or moved. */
const LOOK_AGAIN_AFTER = 5 * 60_000

/** How soon a look that failed is repeated while older endpoints are there to be used. */
const RETRY_AFTER = 10_000

/** Metadata of the PDP (section 9 of OpenID AuthZEN 1.0), as far as it is read. */
const Metadata = Compile(Type.Object({
  policy_decision_point: Type.String(),
  access_evaluation_endpoint: Type.String({ maxLength: 2_000 }),
  access_evaluations_endpoint: Type.Optional(Type.String({ maxLength: 2_000 }))
}))

/**
 * Looks for the endpoints when they are needed, again after a while, and never for two at a time. As long as none are known, whoever
 * needs them waits for the look on its way, and looks again, once, when that fails.
 *
 * A PDP that says that it has no metadata (404 and the like) has its endpoints at their default paths. So has one whose metadata is about
 * another URL than the configured one: the standard forbids to use that. Endpoints at another origin are refused: the token, and what is
 * asked, go where they were told to go, and nowhere else. Anything else is no answer: no decision until there is one.
 */
export class Discovery {
  readonly #transport: Pick<Transport, 'send'>
  readonly #options: DiscoveryOptions
  readonly #defaults: Endpoints
  readonly #clock: { now (): number }
  #known: Endpoints | undefined
  #due = Infinity
  #looking: Promise<Endpoints> | undefined
  #said = ''

  /**
   * @param transport - to the origin of the PDP's URL
   * @param clock - for tests; default: the process's monotonic clock
   */
  constructor (transport: Pick<Transport, 'send'>, options: DiscoveryOptions, clock: { now (): number } = performance) {
    this.#transport = transport
    this.#options = options
    this.#clock = clock
    const prefix = pathOf(options.urls[0] as URL)
    this.#defaults = { evaluation: `${prefix}/access/v1/evaluation`, evaluations: `${prefix}/access/v1/evaluations` }
    if (!options.enabled) this.#known = this.#defaults
  }

  /** The endpoints, if they are known. Has them looked for again when it is time, and does not wait for it. */
  get known (): Endpoints | undefined {
    if (this.#known !== undefined && this.#clock.now() >= this.#due) this.#look().catch(() => {})
    return this.#known
  }

  /** The endpoints. Rejects with a `PdpError` when they cannot be had now. */
  async find (): Promise<Endpoints> {
    if (this.#looking !== undefined) {
      try {
        return await this.#looking
      } catch {
        // It was somebody else's look, at the PDP as it was then.
      }
    }
    return this.#known ?? this.#look()
  }

  /** Asks the PDP, whatever is known. Rejects with a `PdpError` when it does not answer as one that can be asked for decisions. */
  async ask (deadline: number): Promise<Endpoints> {
    try {
      return await this.#transport.send({
        method: 'GET',
        // Between host and path, as the standard has it.
        path: `/.well-known/authzen-configuration${pathOf(this.#options.urls[0] as URL)}`,
        deadline,
        read: answer => this.#options.enabled ? this.#read(answer) : this.#defaults
      })
    } catch (error) {
      if (error instanceof PdpError && saysNothingIsThere(error.status)) return this.#defaults
      throw error
    }
  }

  #look (): Promise<Endpoints> {
    this.#looking ??= this.ask(performance.now() + this.#options.timeout).then(endpoints => {
      this.#known = endpoints
      this.#due = this.#clock.now() + LOOK_AGAIN_AFTER
      return endpoints
    }, error => {
      // A PDP that has taken its endpoints elsewhere is not asked at the old ones.
      if (error instanceof ElsewhereError) this.#known = undefined
      this.#due = this.#clock.now() + RETRY_AFTER
      this.#warn(error instanceof Error ? error.message : 'unknown')
      throw error
    }).finally(() => { this.#looking = undefined })
    return this.#looking
  }

  #read (answer: unknown): Endpoints {
    if (!Metadata.Check(answer)) {
      throw new PdpError('answer', "the PDP answered /.well-known/authzen-configuration with something that is not an AuthZEN PDP's metadata; with authzen: { discovery: false } it is not asked")
    }
    const { urls } = this.#options
    if (!urls.some(url => isSame(answer.policy_decision_point, url))) {
      this.#warn(`the PDP's metadata is about another URL than ${urls.map(url => url.origin + pathOf(url)).join(', ')}, so it is not used: the endpoints are taken to be at their default paths`)
      return this.#defaults
    }
    const { access_evaluation_endpoint: evaluation, access_evaluations_endpoint: evaluations } = answer
    const found = { evaluation: this.#pathAtOrigin(evaluation), evaluations: evaluations === undefined ? undefined : this.#pathAtOrigin(evaluations) }
    this.#said = ''
    return found
  }

  #pathAtOrigin (endpoint: string): string {
    const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined
    if (url === undefined || url.username !== '' || url.password !== '' || url.hash !== '') {
      throw new PdpError('answer', "an endpoint in the PDP's metadata is not an absolute URL")
    }
    const origins = this.#options.urls.map(({ origin }) => origin)
    if (!origins.includes(url.origin)) {
      throw new ElsewhereError(`the PDP's metadata has an endpoint at another origin, ${url.origin.slice(0, 200)}; what is asked, and the token, go to ${origins.join(', ')} only: name that URL as pdp if it is meant`)
    }
    return url.pathname + url.search
  }

  /** Says what is wrong once, and not again before it is something else. */
  #warn (what: string): void {
    if (what === this.#said) return
    this.#said = what
    this.#options.log?.warn({ permit: { reason: what } }, 'permit: where the endpoints of the PDP are could not be learned from it')
  }
}

class ElsewhereError extends PdpError {
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
  return other.origin === url.origin && pathOf(other) === pathOf(url) &&
    other.search === '' && other.hash === '' && other.username === '' && other.password === ''
}

/** Without slashes at its end, so that it can go before another path. */
function pathOf (url: URL): string {
  return url.pathname.replace(/\/+$/, '')
}
