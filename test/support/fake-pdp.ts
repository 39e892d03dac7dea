// A PDP for tests: a real HTTP server on a real socket that follows Permit's wire and answers as the test says.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A question as it came over the wire. */
export interface WireQuestion {
  user: { key: string, email?: string, first_name?: string, last_name?: string, attributes?: Record<string, unknown> }
  action: string
  resource: { type: string, key?: string, tenant?: string, attributes?: Record<string, unknown> }
  context?: Record<string, unknown>
}

export interface WireRequest {
  method: string
  url: string
  headers: IncomingMessage['headers']
  body: unknown
}

export interface FakePdpOptions {
  token?: string
  /** The port of one that was closed, to come back in its place. */
  port?: number
  /** The answer to one question; a promise holds it back. */
  decide?: (question: WireQuestion) => boolean | Promise<boolean>
  /** Answers in place of the PDP when it returns true: for PDPs that misbehave. */
  intercept?: (request: WireRequest, response: ServerResponse) => boolean | Promise<boolean>
}

export interface FakePdp {
  readonly url: string
  readonly token: string
  /** Everything that was asked, in the order of arrival, without probes. */
  readonly requests: WireRequest[]
  /** The questions to /allowed. */
  readonly questions: WireQuestion[]
  options: FakePdpOptions
  close (): Promise<void>
}

export async function startFakePdp (options: FakePdpOptions = {}): Promise<FakePdp> {
  const token = options.token ?? 'test-token'
  const requests: WireRequest[] = []
  const questions: WireQuestion[] = []
  const pdp = { token, requests, questions, options }

  async function answer (incoming: IncomingMessage, response: ServerResponse) {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const text = Buffer.concat(chunks).toString()
    const request: WireRequest = {
      method: incoming.method ?? '', url: incoming.url ?? '', headers: incoming.headers, body: text === '' ? undefined : JSON.parse(text)
    }
    // The question about nothing, with which an app finds out at boot, and while its breaker is open, whether a PDP is well.
    const probe = request.method === 'POST' && request.url?.endsWith('/allowed/bulk') === true && text === '[]'
    if (!probe && request.url !== '/healthy') requests.push(request)
    if (await pdp.options.intercept?.(request, response) === true) return

    const route = `${request.method} ${request.url}`
    if (['GET /healthy', 'GET /health', 'GET /ready'].includes(route)) return sendJson(response, 200, { status: 'ok' })
    const { authorization } = request.headers
    if (authorization === undefined) return sendText(response, 401, 'Missing Authorization header')
    if (authorization !== `Bearer ${token}`) return sendText(response, 403, 'Invalid token')

    switch (route) {
      case 'POST /allowed': {
        const question = request.body as WireQuestion
        questions.push(question)
        const allow = await (pdp.options.decide?.(question) ?? false)
        return sendJson(response, 200, decisionOf(allow))
      }
      case 'POST /allowed/bulk': {
        const bulk = request.body as WireQuestion[]
        questions.push(...bulk)
        const allowed = await Promise.all(bulk.map(question => pdp.options.decide?.(question) ?? false))
        return sendJson(response, 200, { allow: allowed.map(decisionOf) })
      }
      case 'POST /user-permissions':
        return sendJson(response, 200, {
          '__tenant:default': { tenant: { key: 'default', attributes: {} }, permissions: ['task:retrieve'], roles: ['viewer'] }
        })
      default:
        return sendJson(response, 404, { detail: 'Not Found' })
    }
  }

  const server = createServer((incoming, response) => {
    answer(incoming, response).catch(() => response.destroy())
  })
  await new Promise<void>(resolve => server.listen(options.port ?? 0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo

  return Object.assign(pdp, {
    url: `http://127.0.0.1:${port}`,
    close: () => new Promise<void>(resolve => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  })
}

function decisionOf (allow: boolean) {
  const code = allow ? 'allow' : 'no_permission'
  const reason = allow ? 'user has the permission' : 'user does not have the permission'
  return { allow, result: allow, query: {}, debug: { rbac: { allow, code, reason } } }
}

export function sendJson (response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

function sendText (response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-type': 'text/plain' }).end(body)
}
