// Stands between the plugin and a PDP, and lets through what the test wants: as it is, late, broken, or as somebody else would have said it.
import { createServer, request as forward, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

export interface Exchange {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  /** What was asked, parsed; undefined for nothing. */
  readonly question: unknown
  /** What the PDP answered; undefined while it has not. */
  answer?: { readonly status: number, readonly body: Buffer }
}

/** What becomes of an answer. Undefined passes it on as it is. */
export type Fault = (response: ServerResponse, answer: Buffer, exchange: Exchange) => void

export interface Proxy {
  readonly url: string
  /** All that went through, in the order of arrival. */
  readonly exchanges: Exchange[]
  /** The fault that befalls answers from now on. */
  fault: Fault | undefined
}

/** A proxy in front of the PDP that listens on a Unix socket, or at a URL. */
export async function startProxy (t: Test, pdp: { readonly socketPath: string } | { readonly url: string }): Promise<Proxy> {
  const target = 'url' in pdp ? { host: new URL(pdp.url).hostname, port: new URL(pdp.url).port } : { socketPath: pdp.socketPath }
  const exchanges: Exchange[] = []
  const proxy: Proxy = { url: '', exchanges, fault: undefined }

  const server = createServer(async (incoming, response) => {
    const { method = '', url: path = '', headers } = incoming
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const question = Buffer.concat(chunks)
    const exchange: Exchange = { method, path, headers, question: question.length === 0 ? undefined : JSON.parse(question.toString()) }
    // Not the question about nothing, with which an app finds out whether a PDP is well; but faults befall its answer, too.
    if (question.toString() !== '{}') exchanges.push(exchange)
    const upstream = forward({ ...target, method, path, headers, agent: false }, async answer => {
      const parts: Buffer[] = []
      for await (const part of answer) parts.push(part as Buffer)
      const body = Buffer.concat(parts)
      exchange.answer = { status: answer.statusCode ?? 0, body }
      if (proxy.fault !== undefined) proxy.fault(response, body, exchange)
      else response.writeHead(answer.statusCode ?? 500, { 'content-type': answer.headers['content-type'] ?? 'text/plain', 'content-length': body.length }).end(body)
    })
    upstream.on('error', () => response.destroy())
    upstream.end(question)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return Object.assign(proxy, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
}
