// The headers by which a client of the container's `/facts` says how long a write waits for its own effect.
import type { FastifyInstance } from 'fastify'
import { Failure } from './failures.js'

/**
 * Refuses headers that the container refuses, with 400. There is nothing to wait for here: what is written counts at once.
 *
 * @param prefix - where the routes are that take them
 */
export function checkWaitHeaders (app: FastifyInstance, prefix: string): void {
  app.addHook('preValidation', async ({ headers, url }) => {
    if (!url.startsWith(prefix)) return
    const timeout = headers['x-wait-timeout']
    // Python reads a number so: with a fraction, an exponent, or as a word for infinity.
    if (typeof timeout === 'string' && timeout !== '' && !/^\s*[-+]?(\d+(\.\d*)?|\.\d+)(e[-+]?\d+)?\s*$|^\s*[-+]?(inf|infinity|nan)\s*$/i.test(timeout)) {
      throw new Failure(400, 'Invalid X-Wait-timeout header, expected a number of seconds')
    }
    const policy = headers['x-timeout-policy']
    if (typeof policy === 'string' && !/^(ignore|fail)$/i.test(policy)) throw new Failure(400, "Invalid X-Timeout-Policy header, expected 'ignore' or 'fail'")
  })
}
