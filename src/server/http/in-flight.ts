// The requests that are being answered: what they need must not be taken from under them.
import type { FastifyInstance } from 'fastify'

/** Counts them from now on. */
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
      // A response that breaks off closes without having finished.
      reply.raw.once('finish', leave)
      reply.raw.once('close', leave)
      done()
    })
  }

  /** Resolves when there are none, or after `timeout` ms. For an app that takes no more of them. */
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
