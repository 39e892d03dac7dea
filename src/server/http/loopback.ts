// The loopback, and a server that listens nowhere else.
import { Server } from 'node:http'
import { BlockList, isIP, type ListenOptions } from 'node:net'
import { OptionsError } from '../../contract/errors.js'

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

/** Whether it is this machine and can be reached from no other: an address of the loopback, or `localhost`. */
export function isLoopbackHost (host: string): boolean {
  const address = host.toLowerCase().replace(/^::ffff:(?=\d+\.)/, '')
  const family = isIP(address)
  if (family === 0) return address === 'localhost'
  return LOOPBACK.check(address, family === 4 ? 'ipv4' : 'ipv6')
}

/**
 * A server that refuses, with an error as for a port that is taken, to listen on anything but the loopback. Everybody who makes it
 * listen comes through here, Fastify's second address of `localhost` included.
 */
export class LoopbackServer extends Server {
  override listen (...args: Parameters<Server['listen']> | unknown[]): this {
    const [first] = args
    const options = (typeof first === 'object' && first !== null ? first : { port: first, host: args[1] }) as ListenOptions
    // A socket of the file system has the file system's protection.
    const local = options.path !== undefined || (typeof options.host === 'string' && isLoopbackHost(options.host))
    if (local) return super.listen(...args as Parameters<Server['listen']>)
    process.nextTick(() => this.emit('error', new OptionsError(
      `without a token the local PDP listens on the loopback only, not on ${typeof options.host === 'string' ? options.host : 'every address'}; give a token, or listen on 127.0.0.1`
    )))
    return this
  }
}
