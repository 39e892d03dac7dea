// The probe of the circuit breaker: asks one PDP whether it is healthy, on a connection of its own, until one probe succeeds.
import { PdpError } from '../../contract/errors.js'
import type { WireDispatcher, WireOptions } from './dispatcher.js'
import { HealthExchange } from './health-exchange.js'
import { countsAgainstPdp, toPdpError } from './failure.js'
import { settingsFor, trackedSockets, type Connection } from './sockets.js'
import type { Token } from './token.js'
import type { Probe, TransportRequest } from './transport-request.js'
import type { Undici } from './undici.js'

/** How long a suspected PDP has to answer a probe, ms. A slower one gets no requests until it has answered a longer probe. */
const SUSPECT_TIMEOUT = 400

/**
 * The interval between two probes in flight to a PDP whose breaker is open, ms. With `halfOpenAfter` it bounds how long the recovery of
 * a PDP that hung goes unnoticed.
 */
const PROBE_EVERY = 400

/** The most probes in flight to a PDP. */
const MAX_PROBES = 5

interface BreakerProbeOptions {
  readonly undici: Undici
  readonly probe: Probe
  /** The origin of the PDP. */
  readonly origin: string
  readonly connection: Connection
  /** Sends the probes; by default each gets a connection of its own. */
  readonly dispatcher: WireDispatcher | undefined
  readonly token: Token
  /** The largest response, bytes. */
  readonly maxResponseSize: number
  /** How long connecting may take, ms. */
  readonly connectTimeout: number
  /** Adds the headers and the prefix of every request to this PDP. */
  readonly toWire: (request: TransportRequest<unknown>) => WireOptions
}

/** Probes one PDP. Probes are not counted in the stats. */
export class BreakerProbe {
  readonly #options: BreakerProbeOptions
  readonly #probes = new Set<HealthExchange>()

  constructor (options: BreakerProbeOptions) {
    this.#options = options
  }

  /**
   * Sends one probe on a connection of its own: the pool's connections may all be in use, and only a new connection shows whether the
   * PDP can be reached now. Resolves within `timeout` ms, with the error or undefined.
   */
  send (timeout: number): Promise<PdpError | undefined> {
    const { undici, probe, origin, connection, dispatcher, token, maxResponseSize, toWire } = this.#options
    const request = { ...probe, deadline: performance.now() + timeout }
    return new Promise(resolve => {
      const sockets = trackedSockets(undici, timeout, connection)
      const client = dispatcher === undefined
        ? new undici.Client(origin, { ...settingsFor(connection), connect: sockets.connect })
        : undefined
      const exchange = new HealthExchange(request, maxResponseSize, connection.http2 === true, {
        token,
        done: error => {
          clearTimeout(timer)
          this.#probes.delete(exchange)
          client?.destroy().catch(() => {})
          sockets.destroy()
          resolve(error)
        }
      })
      const timer = setTimeout(() => exchange.expire(), timeout)
      timer.unref()
      this.#probes.add(exchange)
      const now = performance.now()
      const send = () => { (client ?? dispatcher)?.dispatch(toWire(request), exchange) }
      if (token.isReady(now)) send()
      else token.ready(now).then(send).catch((error: unknown) => exchange.fail(toPdpError(error)))
    })
  }

  /**
   * Rejects when the PDP is not healthy. A PDP that rejects the token or the probe is up, so that counts as healthy.
   * @param suspected whether the breaker is still closed, so that the answer must come soon
   */
  checkHealth (suspected: boolean): Promise<void> {
    // A new TLS connection over a long distance takes several round trips, so a probe may take as long as a check.
    const timeout = suspected ? SUSPECT_TIMEOUT : Math.max(SUSPECT_TIMEOUT, this.#options.connectTimeout)
    return firstSuccess(async timeout => {
      const error = await this.send(timeout)
      return error !== undefined && (countsAgainstPdp(error) || error.failure === 'closed') ? error : undefined
    }, timeout, Math.max(PROBE_EVERY, timeout / MAX_PROBES))
  }

  /** Ends the probes in flight. */
  close (): void {
    for (const probe of this.#probes) probe.fail(new PdpError('closed', 'the app is closing'))
  }
}

/**
 * Sends a probe, and further ones at an interval while none has ended: a probe that was sent while the PDP or the network hung may be
 * lost. Resolves when the first one succeeds; rejects when all of them have failed.
 * @param probe resolves within the given timeout (ms), with its error or undefined
 * @param timeout for all probes together, ms
 * @param every the interval between two probes, ms
 */
export function firstSuccess (probe: (timeout: number) => Promise<PdpError | undefined>, timeout: number, every: number): Promise<void> {
  const end = performance.now() + timeout
  return new Promise((resolve, reject) => {
    let running = 0
    const send = () => {
      const left = end - performance.now()
      if (left <= 0) return
      running++
      probe(left).then(error => {
        running--
        if (error === undefined || running === 0) clearInterval(timer)
        if (error === undefined) resolve()
        else if (running === 0) reject(error)
      })
    }
    const timer = setInterval(send, every)
    timer.unref()
    send()
  })
}
