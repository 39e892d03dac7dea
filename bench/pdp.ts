// A PDP in a process of its own that says yes as fast as Node can, after a latency if asked: what is measured is the way to it.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const latency = Number(process.argv[2] ?? 0)
const YES = JSON.stringify({ allow: true, result: true })

let requests = 0
const server = createServer((request, response) => {
  if (request.url === '/requests') {
    response.end(String(requests))
    return
  }
  requests++
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const body: unknown = chunks.length === 0 ? undefined : JSON.parse(Buffer.concat(chunks).toString())
    const answer = Array.isArray(body) ? `{"allow":[${body.map(() => YES).join(',')}]}` : YES
    const send = () => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(answer) })
      response.end(answer)
    }
    if (latency === 0) send()
    else setTimeout(send, latency)
  })
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
process.on('disconnect', () => process.exit())
