// Adds `Retry-After` to every 503, whether Fastify, an error handler of the app, or a framework on top sends it.
import type { ServerResponse } from 'node:http'
import type { UnavailableError } from '../contract/errors.js'

const asked = new WeakSet<ServerResponse>()

/**
 * Adds the headers of an error to the response if its status is 503. The status is checked when the head is written, because another guard
 * may still let the request through, and a handler may handle the error.
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
