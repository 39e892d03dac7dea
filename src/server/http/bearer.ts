// Who may ask: whoever holds the token. Without a token, only this machine.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isLoopbackHost } from './loopback.js'
import { secretCheck } from '../../kit/secret.js'

/** Guards every route that is declared after it in this scope, and those that do not exist. */
export function guardWithToken (app: FastifyInstance, token: string | undefined): void {
  const check = requestCheck(token)
  app.addHook('onRequest', (request, reply, done) => {
    const refusal = check(request)
    if (refusal === undefined) done()
    else refuse(reply, refusal)
  })
}

/** Why a request is refused. */
export interface Refusal {
  readonly status: 401 | 403
  readonly text: string
}

/** Tells who may not ask; undefined for a request that may be answered. */
export function requestCheck (token: string | undefined): (request: FastifyRequest) => Refusal | undefined {
  return token === undefined ? refuseStrangers : bearerGuard(token)
}

/** The words are those of Permit's PDP: no header is 401, a wrong one 403, and 401 where AuthZEN 1.0 says so. */
function bearerGuard (token: string) {
  const isToken = secretCheck(token)
  return ({ headers: { authorization }, url }: FastifyRequest): Refusal | undefined => {
    if (authorization === undefined) return { status: 401, text: 'Missing Authorization header' }
    if (/^bearer /i.test(authorization) && isToken(authorization.slice('bearer '.length))) return undefined
    return { status: isAuthzen(url) ? 401 : 403, text: 'You are not authorized to access this resource, please check your API key.' }
  }
}

/** Whether the path is one of AuthZEN's. */
export function isAuthzen (url: string): boolean {
  return /^\/(access\/v1|\.well-known\/authzen-configuration)([/?]|$)/.test(url)
}

/**
 * Without a token the loopback is the protection, so it is looked at here, too, however the socket came to listen. The name in `Host`
 * tells a web page that had its own name resolved to this machine (DNS rebinding) from a client that meant it.
 */
function refuseStrangers (request: FastifyRequest): Refusal | undefined {
  const { localAddress } = request.socket
  const local = localAddress === undefined || isLoopbackHost(localAddress)
  if (local && isLoopbackHost(hostnameOf(request.headers.host))) return undefined
  return { status: 403, text: 'Without a token, this PDP answers on the loopback only.' }
}

/** Answers with the refusal. */
export function refuse (reply: FastifyReply, { status, text }: Refusal): FastifyReply {
  // A 401 names the scheme that is wanted (RFC 9110, section 15.5.2).
  if (status === 401) reply.header('www-authenticate', 'Bearer')
  return reply.code(status).type('text/plain; charset=utf-8').send(text)
}

/** `Host` without the port. */
function hostnameOf (host = ''): string {
  return host.replace(/:\d*$/, '').replace(/^\[(.*)\]$/, '$1')
}
