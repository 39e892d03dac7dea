// A 503 tells its client when to come back, whoever writes it: Fastify, an error handler of the app, or a framework on top.
import type { ServerResponse } from 'node:http'
import type { UnavailableError } from '../contract/errors.js'

const asked = new WeakSet<ServerResponse>()

/**
 * Adds the headers of an error to the response, should that become a 503. Not before it is written: another guard may let the request in, and
 * a handler may do without the decision.
 */
export function askToComeBack (response: ServerResponse, { headers }: UnavailableError): void {
  if (response.headersSent || asked.has(response)) return
  asked.add(response)
  const { writeHead } = response as { writeHead: (status: number, ...rest: unknown[]) => ServerResponse }
  const writeHeadOf503: typeof writeHead = function (this: ServerResponse, status, ...rest) {
    if (status === 503 && !this.headersSent) {
      for (const [name, value] of Object.entries(headers)) if (!this.hasHeader(name)) this.setHeader(name, value)
    }
    return writeHead.call(this, status, ...rest)
  }
  response.writeHead = writeHeadOf503 as ServerResponse['writeHead']
}
