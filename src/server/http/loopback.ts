// A server that listens only on the loopback.
import { Server } from 'node:http'
import type { ListenOptions } from 'node:net'
import { OptionsError } from '../../contract/errors.js'
import { isLoopbackHost } from '../../kit/loopback-host.js'

/**
 * A server that listens only on the loopback. For any other address it emits an error, as it does for a port in use. Every way to listen
 * calls this method, including Fastify's second server for `localhost`.
 */
export class LoopbackServer extends Server {
  override listen (...args: Parameters<Server['listen']> | unknown[]): this {
    const [first] = args
    const options = (typeof first === 'object' && first !== null ? first : { port: first, host: args[1] }) as ListenOptions
    // A Unix socket is protected by the permissions of the file system.
    const local = options.path !== undefined || (typeof options.host === 'string' && isLoopbackHost(options.host))
    if (local) return super.listen(...args as Parameters<Server['listen']>)
    const where = typeof options.host === 'string' ? options.host : 'every address'
    process.nextTick(() => this.emit('error', new OptionsError(
      `without a token the local PDP listens on the loopback only, not on ${where}; set a token, or listen on 127.0.0.1`
    )))
    return this
  }
}
