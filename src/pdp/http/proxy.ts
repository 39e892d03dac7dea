// Connections through an HTTP proxy (CONNECT, RFC 9110, 9.3.6): which proxy a PDP is reached through, and the tunnel.
import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { Socket } from 'node:net'
import { getProxyForUrl } from 'proxy-from-env'

/** Hosts on this machine. No proxy reaches them. */
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/

/** A proxy could read requests to a PDP without TLS, and with them the token. */
const ENCRYPTED = 'https:'

/**
 * The proxy for a PDP.
 *
 * @param proxy - a proxy's URL for all PDPs; `false` for none; by default HTTPS_PROXY (or ALL_PROXY) and NO_PROXY decide on PDPs with https
 * URLs
 * @returns undefined for a direct connection
 */
export function proxyFor (url: URL, proxy: string | false | undefined): URL | undefined {
  if (proxy === false || url.protocol === 'unix:') return undefined
  if (proxy !== undefined) return new URL(proxy)
  if (url.protocol !== ENCRYPTED || LOOPBACK.test(url.hostname)) return undefined
  const found = getProxyForUrl(url.href)
  return URL.canParse(found) && /^https?:$/.test(new URL(found).protocol) ? new URL(found) : undefined
}

/** Failed to open a tunnel. The message has the proxy's host, and neither its user nor its password. */
export class ProxyError extends Error {
  override readonly name = 'ProxyError'
}

/**
 * Opens a tunnel to a host.
 *
 * @param timeout - how long it may take, ms
 * @param done - gets the socket of the tunnel, or the error, once
 * @returns a function that gives up
 */
export function openTunnel (
  proxy: URL, target: { readonly host: string, readonly port: number }, timeout: number,
  done: (error: Error | null, socket?: Socket) => void
): () => void {
  const { hostname, port, protocol, username, password } = proxy
  const isIpv6 = target.host.includes(':')
  const authority = `${isIpv6 ? `[${target.host.replace(/^\[|\]$/g, '')}]` : target.host}:${target.port}`
  const user = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  const credentials = username === '' ? {} : { 'proxy-authorization': `Basic ${Buffer.from(user).toString('base64')}` }
  const request = (protocol === 'https:' ? requestHttps : requestHttp)({
    method: 'CONNECT',
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port),
    path: authority,
    headers: { host: authority, ...credentials },
    // Of a proxy with https, which gets the credentials; also with NODE_TLS_REJECT_UNAUTHORIZED=0.
    rejectUnauthorized: true,
    // A connection of its own, which becomes the tunnel.
    agent: false
  })
  const finish = (error: Error | null, socket?: Socket): void => {
    clearTimeout(timer)
    done(error, socket)
    done = () => {}
  }
  const fail = (reason: string): void => {
    finish(new ProxyError(`the proxy ${proxy.host} ${reason}`))
    request.destroy()
  }
  const timer = setTimeout(() => fail(`did not open a tunnel within ${timeout} ms`), timeout)
  timer.unref()
  request.on('connect', ({ statusCode = 0 }, socket: Socket, head: Buffer) => {
    // A client speaks first: until then, no bytes may arrive.
    if (statusCode >= 200 && statusCode < 300 && head.length === 0) return finish(null, socket)
    socket.on('error', () => {}).destroy()
    fail(head.length > 0 ? 'sent more than its answer' : `refused with status ${statusCode}`)
  })
  // Some proxies answer as to any request.
  request.on('response', response => {
    response.destroy()
    fail(`refused with status ${response.statusCode ?? 0}`)
  })
  request.on('error', (error: NodeJS.ErrnoException) => fail(`cannot be reached: ${error.code ?? error.name}`))
  request.end()
  return () => fail('was given up')
}
