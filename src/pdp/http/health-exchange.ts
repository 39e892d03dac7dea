// Exchanges that ask about the PDP itself: probes, and whether it is ready. They are not counted in the stats.
import type { Dispatcher } from 'undici'
import type { PdpError } from '../../contract/errors.js'
import { Exchange } from './exchange.js'
import type { Token } from './token.js'
import type { TransportRequest } from './transport-request.js'

interface HealthHandlers {
  /** What the request carries. */
  readonly token: Token
  /** Called when the request is written to its connection. */
  readonly written?: () => void
  /** Called when the connection is free again. */
  readonly finished?: () => void
  /** Called with the outcome. */
  readonly done: (error: PdpError | undefined) => void
}

export class HealthExchange extends Exchange<unknown> {
  readonly #handlers: HealthHandlers

  constructor (request: TransportRequest<unknown>, maxSize: number, isFramed: boolean, handlers: HealthHandlers) {
    super(request, performance.now(), maxSize, isFramed)
    this.#handlers = handlers
  }

  override onRequestStart (controller: Dispatcher.DispatchController): void {
    this.#handlers.written?.()
    super.onRequestStart(controller)
  }

  protected override get secret (): string | undefined {
    return this.#handlers.token.current
  }

  protected override settled (error: PdpError | undefined): void {
    this.#handlers.done(error)
  }

  protected override finished (): void {
    this.#handlers.finished?.()
  }
}
