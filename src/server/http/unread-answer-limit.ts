// Limits the answers that wait to be read, so that slow clients cannot occupy memory or connections without end.
import type { FastifyReply } from 'fastify'
import { Failure } from './error-responses.js'

/** The most bytes of answers that wait for their clients, over all connections. */
const MAX_WAITING = 64 * 1024 * 1024

/** Answers up to this size, in bytes, are not counted, because the buffers of the system take them. */
const SMALL = 64 * 1024

/** How long a client may take to read an answer that is not small, ms. */
const TIME = 30_000

export class Outgoing {
  #waiting = 0

  /**
   * Counts an answer that is about to be sent.
   * @throws 503 when too many bytes are waiting already
   */
  add (reply: FastifyReply, bytes: number): void {
    if (bytes <= SMALL) return
    if (this.#waiting + bytes > MAX_WAITING) throw new Failure(503, 'too many answers are waiting for clients that do not read them')
    this.#waiting += bytes
    const timer = setTimeout(() => reply.raw.destroy(), TIME)
    timer.unref()
    reply.raw.once('close', () => {
      this.#waiting -= bytes
      clearTimeout(timer)
    })
  }
}
