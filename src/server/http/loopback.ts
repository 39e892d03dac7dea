// A server that listens only on the loopback.
import { Server, type RequestListener, type ServerOptions } from 'node:http'
import type { ListenOptions } from 'node:net'
import { OptionsError } from '../../contract/errors.js'
import { isLoopbackHost } from '../../kit/loopback-host.js'

/** Why a server listens only on the loopback; and what to change. */
const REASONS = {
  'no token': ['without a token', 'set a token'],
  inspector: ['with the inspector', 'turn the inspector off']
} as const

export type LoopbackReason = keyof typeof REASONS

/**
 * A server that listens only on the loopback. For any other address it emits an error, as it does for a port in use. Every way to listen
 * calls this method, including Fastify's second server for `localhost`.
 */
export class LoopbackServer extends Server {
  readonly #reason: LoopbackReason

  constructor (options: ServerOptions, listener: RequestListener, reason: LoopbackReason) {
    super(options, listener)
    this.#reason = reason
  }

  override listen (...args: Parameters<Server['listen']> | unknown[]): this {
    const [first] = args
    const options = (typeof first === 'object' && first !== null ? first : { port: first, host: args[1] }) as ListenOptions
    // A Unix socket is protected by the permissions of the file system.
    const local = options.path !== undefined || (typeof options.host === 'string' && isLoopbackHost(options.host))
    if (local) return super.listen(...args as Parameters<Server['listen']>)
    const where = typeof options.host === 'string' ? options.host : 'every address'
    const [why, remedy] = REASONS[this.#reason]
    process.nextTick(() => this.emit('error', new OptionsError(
      `${why} the local PDP listens on the loopback only, not on ${where}; ${remedy}, or listen on 127.0.0.1`
    )))
    return this
  }
}
