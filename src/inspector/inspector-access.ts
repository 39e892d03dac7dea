// Decides who may see the inspector: with a guard, requests of its own page; without one, also only requests from this machine.
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { hostnameOf, isLoopbackHost } from '../kit/loopback-host.js'

/** Headers by which a reverse proxy says that it passes on a request of someone else. */
const FORWARDED = new RegExp('^(?:forwarded|via|x-real-ip|x-forwarded(?:-.*)?|x-original-.*|x-envoy-.*|x-amzn-.*|cf-.*|' +
  '(?:.*-)?client-ip|.*-connecting-ip)$')

/** What is answered to a request that may see nothing. */
const NOT_LOCAL = 'The inspector answers requests from this machine only. Open it at http://localhost, without a proxy. ' +
  'In an app, inspector: { guard: … } says who else may see it.\n'
const CROSS_SITE = 'The inspector answers requests of its own page only.\n'

/**
 * Why a request may see nothing; undefined when it may.
 * @param isGuarded - whether a guard has let it through already
 * @param isPage - whether it asks for the page, to which links may lead, and which holds no data
 */
export function refusalOf (request: IncomingMessage, isGuarded: boolean, isPage: boolean): string | undefined {
  // With a guard, too: an app may let other sites read its answers (CORS), and the browser sends its cookies along.
  if (!isOfThisSite(request.headers, isPage)) return CROSS_SITE
  return isGuarded || isLocal(request) ? undefined : NOT_LOCAL
}

/** A page of another origin cannot change these headers. Older browsers send `Origin` only. */
function isOfThisSite ({ host, origin, ...headers }: IncomingHttpHeaders, isPage: boolean): boolean {
  const site = headers['sec-fetch-site']
  if (site === 'same-origin' || site === 'none') return true
  if (site !== undefined) return isPage && headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document'
  return origin === undefined || origin === `http://${host}` || origin === `https://${host}`
}

/**
 * Whether the request comes from this machine. `Host` keeps out pages whose own name was resolved to this machine (DNS rebinding). The
 * rest keeps out a reverse proxy on this machine: it connects from the loopback, whoever asks.
 */
function isLocal ({ socket, headers, httpVersion }: IncomingMessage): boolean {
  const { remoteAddress } = socket
  // A Unix socket has no address, and it is a proxy that connects to one.
  if (remoteAddress === undefined || !isLoopbackHost(remoteAddress)) return false
  if (Object.keys(headers).some(name => FORWARDED.test(name))) return false
  // What a proxy speaks that says nothing of itself. No browser does.
  if (httpVersion === '1.0' || headers.connection?.toLowerCase() === 'close') return false
  const hosts = [headers.host, headers[':authority']].filter(host => host !== undefined)
  if (hosts.length === 0 || !hosts.every(host => isLoopbackHost(hostnameOf(String(host))))) return false
  return [headers.origin, headers.referer].every(url => url === undefined || isLocalUrl(url))
}

function isLocalUrl (url: string): boolean {
  return URL.canParse(url) && isLoopbackHost(hostnameOf(new URL(url).host))
}
