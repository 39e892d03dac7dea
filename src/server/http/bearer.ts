// Authenticates requests: by the bearer token, or, without a token, by the loopback.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { hostnameOf, isLoopbackHost } from '../../kit/loopback-host.js'
import { secretCheck } from '../../kit/secret.js'

/** Guards every route that is declared after it in this scope, including routes that do not exist. */
export function guardWithToken (app: FastifyInstance, token: string | undefined): void {
  const check = requestCheck(token)
  app.addHook('onRequest', (request, reply, done) => {
    const refusal = check(request)
    if (refusal === undefined) done()
    else refuse(reply, refusal)
  })
}

/** Why a request was refused. */
export interface Refusal {
  readonly status: 401 | 403
  readonly text: string
}

/** Returns a function that returns why a request is refused, or undefined when it is accepted. */
export function requestCheck (token: string | undefined): (request: FastifyRequest) => Refusal | undefined {
  return token === undefined ? refuseStrangers : bearerGuard(token)
}

/** Messages and statuses are those of Permit's PDP: 401 without a header, 403 for a wrong token. AuthZEN 1.0 requires 401 for both. */
function bearerGuard (token: string) {
  const isToken = secretCheck(token)
  return ({ headers: { authorization }, url }: FastifyRequest): Refusal | undefined => {
    if (authorization === undefined) return { status: 401, text: 'Missing Authorization header' }
    if (/^bearer /i.test(authorization) && isToken(authorization.slice('bearer '.length))) return undefined
    return { status: isAuthzen(url) ? 401 : 403, text: 'You are not authorized to access this resource, please check your API key.' }
  }
}

/**
 * Returns a function that says whether a request has the token: as the password of Basic authentication, which a browser asks its user for
 * (the name may be anything), or as a bearer token.
 */
export function passwordCheck (token: string): (authorization: string | undefined) => boolean {
  const isToken = secretCheck(token)
  return (authorization = '') => {
    const [, scheme = '', given = ''] = /^(basic|bearer) (.*)$/i.exec(authorization) ?? []
    if (scheme === '') return false
    if (scheme.toLowerCase() === 'bearer') return isToken(given)
    const text = Buffer.from(given, 'base64').toString()
    return text.includes(':') && isToken(text.slice(text.indexOf(':') + 1))
  }
}

/** Whether the path belongs to AuthZEN. */
export function isAuthzen (url: string): boolean {
  return /^\/(access\/v1|\.well-known\/authzen-configuration)([/?]|$)/.test(url)
}

/**
 * Without a token, only the loopback protects the PDP. It is checked here again, because the socket may have been opened in another way.
 * The check of `Host` refuses web pages whose own name was resolved to this machine (DNS rebinding).
 */
function refuseStrangers (request: FastifyRequest): Refusal | undefined {
  const { localAddress } = request.socket
  const local = localAddress === undefined || isLoopbackHost(localAddress)
  if (local && isLoopbackHost(hostnameOf(request.headers.host))) return undefined
  return { status: 403, text: 'Without a token, this PDP answers on the loopback only.' }
}

/** Sends the refusal. */
export function refuse (reply: FastifyReply, { status, text }: Refusal): FastifyReply {
  // A 401 must name the expected scheme (RFC 9110, section 15.5.2).
  if (status === 401) reply.header('www-authenticate', 'Bearer')
  return reply.code(status).type('text/plain; charset=utf-8').send(text)
}
