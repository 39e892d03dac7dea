// Remembers the reply of a request. Fastify passes it to hooks, but a later `request.permit` call only has the request.
import type { ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'

const REPLY = Symbol('fastify-permit.reply')

/** The property of a request, decorated so that all requests have the same shape. */
export const REPLY_SLOT: symbol = REPLY

interface Answered { [REPLY]?: FastifyReply | null }

/** Remembers the reply of a request. */
export function keepReply (request: object, reply: FastifyReply): void {
  (request as Answered)[REPLY] = reply
}

/**
 * Drops the line that Fastify's own error handler writes for this error: the denial is in the log already, with who and why. The lines of
 * the app stay, and so does "request completed".
 */
export function quietReply (request: object, error: Error): void {
  const { [REPLY]: reply } = request as Answered
  if (reply?.request !== request || Object.hasOwn(reply.log, QUIET)) return
  const { log } = reply
  const info = (...args: unknown[]): void => {
    const [details, message] = args as [{ res?: unknown, err?: unknown } | undefined, unknown]
    const isOfFastify = args.length === 2 && details?.err === error && details.res === reply && message === error.message
    if (!isOfFastify) (log.info as (...args: unknown[]) => void).apply(log, args)
  }
  // Inherits what Fastify keeps in its logger, such as the switch for its lines.
  reply.log = Object.create(log, { info: { value: info }, [QUIET]: { value: true } }) as typeof log
}

const QUIET = Symbol('fastify-permit.quiet')

/** The response that answers a request, once its `preHandler` hooks run. */
export function responseOf (request: object): ServerResponse | undefined {
  const { [REPLY]: reply } = request as Answered
  // An object that inherits from a request, or is a copy of one, would have the reply of another request.
  return reply?.request === request ? reply.raw : undefined
}
