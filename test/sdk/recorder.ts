// A recorder: a real HTTP proxy between a client and the PDP that passes everything on and remembers what was sent.
import { createServer, request, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

export interface Recorded {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  /** As parsed. */
  readonly body: unknown
  /** The status of the answer. */
  readonly status: number
}

/** A proxy to `target` that goes when the test is over. */
export async function recorderFor (t: Test, target: string) {
  let recorded: Recorded[] = []
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => { chunks.push(chunk) })
    incoming.on('end', () => {
      const bytes = Buffer.concat(chunks)
      const { method = '', url = '', headers } = incoming
      const onward = request(new URL(url, target), { method, headers, agent: false }, answer => {
        recorded.push({ method, url, headers, body: bytes.length === 0 ? undefined : JSON.parse(bytes.toString()), status: answer.statusCode ?? 0 })
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(outgoing)
      })
      onward.on('error', () => outgoing.destroy())
      onward.end(bytes)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => new Promise<void>(resolve => {
    server.close(() => resolve())
    server.closeAllConnections()
  }))

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** What was sent since the last time. */
    take (): Recorded[] {
      const taken = recorded
      recorded = []
      return taken
    }
  }
}
