// The headers in which clients of the container's `/facts` say how long a write waits until it takes effect.
import type { FastifyInstance } from 'fastify'
import { Failure } from './error-responses.js'

// A number as Python parses it: with a fraction, with an exponent, or as a word for infinity.
const PYTHON_NUMBER = /^\s*[-+]?(\d+(\.\d*)?|\.\d+)(e[-+]?\d+)?\s*$|^\s*[-+]?(inf|infinity|nan)\s*$/i

/**
 * Refuses the header values that the container refuses, with 400. Valid values are ignored, because a write takes effect at once here.
 *
 * @param prefix - the path prefix of the routes that accept these headers
 */
export function checkWaitHeaders (app: FastifyInstance, prefix: string): void {
  app.addHook('preValidation', async ({ headers, url }) => {
    if (!url.startsWith(prefix)) return
    const timeout = headers['x-wait-timeout']
    if (typeof timeout === 'string' && timeout !== '' && !PYTHON_NUMBER.test(timeout)) {
      throw new Failure(400, 'Invalid X-Wait-timeout header, expected a number of seconds')
    }
    const policy = headers['x-timeout-policy']
    if (typeof policy === 'string' && !/^(ignore|fail)$/i.test(policy)) {
      throw new Failure(400, "Invalid X-Timeout-Policy header, expected 'ignore' or 'fail'")
    }
  })
}
