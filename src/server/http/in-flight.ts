// Counts the requests in flight, so that the PDP closes what they use only after they are answered.
import type { FastifyInstance } from 'fastify'

/** Counts the requests in flight of an app, starting with the next request. */
export class InFlight {
  #count = 0
  #whenNone: (() => void) | undefined

  constructor (app: FastifyInstance) {
    app.addHook('onRequest', (_request, reply, done) => {
      this.#count++
      let answered = false
      const leave = (): void => {
        if (answered) return
        answered = true
        if (--this.#count === 0) this.#whenNone?.()
      }
      // A response that is aborted emits `close` without `finish`.
      reply.raw.once('finish', leave)
      reply.raw.once('close', leave)
      done()
    })
  }

  /** Resolves when no request is in flight, or after `timeout` ms. Call it after the app stopped accepting requests. */
  async drained (timeout: number): Promise<void> {
    if (this.#count === 0) return
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>(resolve => {
      this.#whenNone = resolve
      timer = setTimeout(resolve, timeout)
    })
    clearTimeout(timer)
  }
}
