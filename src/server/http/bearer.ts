// Who may ask: whoever holds the token. Without a token, only this machine.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isLoopbackHost } from './loopback.js'
import { secretCheck } from '../../kit/secret.js'

/** Guards every route that is declared after it in this scope, and those that do not exist. */
export function guardWithToken (app: FastifyInstance, token: string | undefined): void {
  app.addHook('onRequest', token === undefined ? refuseStrangers : bearerGuard(token))
}

/** The words are those of Permit's PDP: no header is 401, a wrong one 403. */
function bearerGuard (token: string) {
  const isToken = secretCheck(token)
  return (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    const { authorization } = request.headers
    if (authorization === undefined) {
      refuse(reply, 401, 'Missing Authorization header')
    } else if (!/^bearer /i.test(authorization) || !isToken(authorization.slice('bearer '.length))) {
      refuse(reply, 403, 'You are not authorized to access this resource, please check your API key.')
    } else {
      done()
    }
  }
}

/**
 * Without a token the loopback is the protection, so it is looked at here, too, however the socket came to listen. The name in `Host`
 * tells a web page that had its own name resolved to this machine (DNS rebinding) from a client that meant it.
 */
function refuseStrangers (request: FastifyRequest, reply: FastifyReply, done: () => void): void {
  const { localAddress } = request.socket
  const local = localAddress === undefined || isLoopbackHost(localAddress)
  if (local && isLoopbackHost(hostnameOf(request.headers.host))) done()
  else refuse(reply, 403, 'Without a token, this PDP answers on the loopback only.')
}

function refuse (reply: FastifyReply, status: number, text: string): void {
  reply.code(status).type('text/plain; charset=utf-8').send(text)
}

/** `Host` without the port. */
function hostnameOf (host = ''): string {
  return host.replace(/:\d*$/, '').replace(/^\[(.*)\]$/, '$1')
}
