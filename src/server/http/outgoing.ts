// Answers on their way: clients that read slowly, or not at all, take neither the memory nor a connection for ever.
import type { FastifyReply } from 'fastify'
import { Failure } from './failures.js'

/** Bytes of answers that wait for their clients, all together. */
const MAX_WAITING = 64 * 1024 * 1024

/** Bytes that are not counted: the system's own buffers take them. */
const SMALL = 64 * 1024

/** Time for a client to take an answer that is not small, ms. */
const TIME = 30_000

export class Outgoing {
  #waiting = 0

  /**
   * An answer is about to be sent.
   * @throws 503 when too much waits already
   */
  add (reply: FastifyReply, bytes: number): void {
    if (bytes <= SMALL) return
    if (this.#waiting + bytes > MAX_WAITING) throw new Failure(503, 'too many answers wait for clients that do not read them')
    this.#waiting += bytes
    const timer = setTimeout(() => reply.raw.destroy(), TIME)
    timer.unref()
    reply.raw.once('close', () => {
      this.#waiting -= bytes
      clearTimeout(timer)
    })
  }
}
