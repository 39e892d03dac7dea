// Bodies in chunks of a byte each: every chunk costs more than a thousand bytes do, and Node sets no bound.
import type { FastifyInstance } from 'fastify'

/** So many chunks may be of any size. */
const FREE = 1_000

/** Bytes that chunks have on average at least, when there are more. */
const SMALLEST = 64

/** Cuts a connection that sends a body in crumbs. */
export function refuseCrumbs (app: FastifyInstance): void {
  app.addHook('preParsing', (request, _reply, payload, done) => {
    if (request.headers['transfer-encoding'] !== undefined) {
      let chunks = 0
      let bytes = 0
      payload.on('data', (chunk: Buffer | string) => {
        chunks++
        bytes += chunk.length
        if (chunks > FREE && bytes < chunks * SMALLEST) request.raw.socket.destroy()
      })
    }
    done(null, payload)
  })
}
