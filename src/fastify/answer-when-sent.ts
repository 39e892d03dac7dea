// `onDenied` for a guard that may be one of several: its answer is sent when the guard's error is about to be sent, and not before.
import type { FastifyReply } from 'fastify'

/** Fastify's mark on a reply whose next payload is an error. */
const IS_ERROR = 'fastify.reply.isError'

/** Fastify's mark on a reply whose status was chosen: a redirection would keep that status. */
const HAS_STATUS = 'fastify.reply.hasStatusCode'

/**
 * Answers with something else when a reply is sent with this very error, which may be never: whatever combines guards decides whose error goes
 * out, if any.
 *
 * Fastify has marked the reply by then, and would take the answer for an error as well. It has no public way to take the mark away; should
 * it one day have another mark, the error itself goes out, which refuses the request, too.
 * @param answer - sends a reply, or resolves with the error that goes out
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
    // The first versions of Fastify 5 put the mark for the status there only with the status.
    for (const mark of marksOf(reply)) marked[mark] = marks.get(mark)
    // @fastify/auth has put a 401 there, for an error.
    reply.raw.statusCode = statusCode
    answer().then(error => { if (error !== undefined) reply.send(error) }, () => reply.send(error))
    return this
  } as FastifyReply['send']
}

function marksOf (reply: FastifyReply): symbol[] {
  return Object.getOwnPropertySymbols(reply).filter(({ description }) => description === IS_ERROR || description === HAS_STATUS)
}
