// Runs `onDenied` for a guard that may be combined with others: when the guard's error is about to be sent.
import type { FastifyReply } from 'fastify'

/** Fastify's mark on a reply whose next payload is an error. */
const IS_ERROR = 'fastify.reply.isError'

/** Fastify's mark on a reply with an explicit status. A redirect would keep that status. */
const HAS_STATUS = 'fastify.reply.hasStatusCode'

/**
 * Replaces the error of a guard when a reply is sent with exactly this error. That may never happen, because the code that combines guards
 * decides which error is sent, if any.
 *
 * By then, Fastify has marked the reply as an error, and would treat the replacement as an error, too. Fastify has no public way to remove
 * the mark. If a future version uses another mark, the original error is sent, which refuses the request as well.
 * @param answer - sends a reply, or resolves with the error to send
 */
export function answerWhenSent (reply: FastifyReply, error: Error, answer: () => Promise<Error | undefined>): void {
  const marked = reply as unknown as Record<symbol, unknown>
  const marks = new Map(marksOf(reply).map(mark => [mark, marked[mark]]))
  if (![...marks.keys()].some(({ description }) => description === IS_ERROR)) return
  const { statusCode } = reply.raw
  const before = Object.getOwnPropertyDescriptor(reply, 'send')
  const { send } = reply
  reply.send = function (this: FastifyReply, payload?: unknown) {
    if (payload !== error || reply.sent) return send.call(this, payload)
    if (before === undefined) delete (reply as Partial<FastifyReply>).send
    else Object.defineProperty(reply, 'send', before)
    // The first versions of Fastify 5 add the mark for the status only together with the status.
    for (const mark of marksOf(reply)) marked[mark] = marks.get(mark)
    // @fastify/auth sets status 401 for an error.
    reply.raw.statusCode = statusCode
    answer().then(error => { if (error !== undefined) reply.send(error) }, () => reply.send(error))
    return this
  } as FastifyReply['send']
}

function marksOf (reply: FastifyReply): symbol[] {
  return Object.getOwnPropertySymbols(reply).filter(({ description }) => description === IS_ERROR || description === HAS_STATUS)
}
