// Limits bodies that are sent in tiny chunks. A chunk costs more time than a thousand bytes, and Node does not limit the number of chunks.
import type { FastifyInstance } from 'fastify'

/** This many chunks may have any size. */
const FREE = 1_000

/** The smallest average size of the chunks, in bytes, when there are more. */
const SMALLEST = 64

/** Closes a connection that sends its body in too many tiny chunks. */
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
