// A PDP for tests that speaks AuthZEN: a real HTTP server, as the standard has it, that answers as the test says.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import type { Evaluation } from '../../src/index.js'
import { sendJson, type WireRequest } from './fake-pdp.js'

export interface AuthZenAnswer { decision: unknown, context?: unknown }

export interface AuthZenPdpOptions {
  /** The answer to one evaluation; default: yes to everybody but `eve`. */
  decide?: (evaluation: Evaluation) => AuthZenAnswer
  /** The metadata, made for the PDP's URL; default: none, 404. */
  metadata?: (url: string) => unknown
  /** Whether the questions that apps ask at boot are answered, and noted, as others are; default: no. */
  answersProbes?: boolean
  /** Answers in place of the PDP when it returns true. */
  intercept?: (request: WireRequest, response: ServerResponse) => boolean | Promise<boolean>
}

export interface AuthZenPdp {
  readonly url: string
  /** Everything that was asked, in the order of arrival. */
  readonly requests: WireRequest[]
  readonly options: AuthZenPdpOptions
  /** The requests to a path. */
  to (path: string): WireRequest[]
}

/** Starts one that goes when the test is over. Any path that ends with `evaluation` or `evaluations` is an endpoint. */
export async function authzenPdpFor (t: Test, options: AuthZenPdpOptions = {}): Promise<AuthZenPdp> {
  const requests: WireRequest[] = []
  const decide = (evaluation: Evaluation) => (options.decide ?? (({ subject }) => ({ decision: subject.id !== 'eve' })))(evaluation)
  let url = ''

  async function answer (incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const text = Buffer.concat(chunks).toString()
    const request: WireRequest = { method: incoming.method ?? '', url: incoming.url ?? '', headers: incoming.headers, body: text === '' ? undefined : JSON.parse(text) }
    // The question about nothing, with which an app finds out whether a PDP is well.
    if (text === '{}') return sendJson(response, 400, {})
    if (text.includes('fastify-permit-probe') && options.answersProbes !== true) return sendJson(response, 200, { decision: false })
    requests.push(request)
    if (await options.intercept?.(request, response) === true) return
    if (request.url.startsWith('/.well-known/')) {
      if (options.metadata === undefined) sendJson(response, 404, {})
      else sendJson(response, 200, options.metadata(url))
    } else if (/\/evaluation$/.test(request.url)) {
      sendJson(response, 200, decide(request.body as Evaluation))
    } else if (/\/evaluations$/.test(request.url)) {
      const { evaluations, options: _, ...defaults } = request.body as { evaluations: Partial<Evaluation>[], options: unknown }
      sendJson(response, 200, { evaluations: evaluations.map(evaluation => decide({ ...defaults, ...evaluation } as Evaluation)) })
    } else {
      sendJson(response, 404, {})
    }
  }

  const server = createServer((incoming, response) => { answer(incoming, response).catch(() => response.destroy()) })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url, requests, options, to: path => requests.filter(request => request.url === path) }
}
