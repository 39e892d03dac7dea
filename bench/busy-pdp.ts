// A PDP of two processes that takes 2 ms of processor time for each check, as a policy engine does: a batch is evaluated on one processor.
import cluster from 'node:cluster'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const PROCESSES = 2
const EACH = 2

if (cluster.isPrimary) {
  const workers = Array.from({ length: PROCESSES }, () => cluster.fork())
  const ports = await Promise.all(workers.map(async worker => (await once(worker, 'message') as [number])[0]))
  process.send?.({ port: ports[0] })
  process.on('disconnect', () => {
    for (const worker of workers) worker.kill()
    process.exit()
  })
} else {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body: unknown = chunks.length === 0 ? undefined : JSON.parse(Buffer.concat(chunks).toString())
      const answers = (Array.isArray(body) ? body : [body]).map(() => {
        const end = processorTime() + EACH
        while (processorTime() < end);
        return { allow: true, result: true }
      })
      const answer = JSON.stringify(Array.isArray(body) ? { allow: answers } : answers[0])
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(answer) })
      response.end(answer)
    })
  })
  server.keepAliveTimeout = 60_000
  // All processes of a cluster have one port.
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
  process.on('disconnect', () => process.exit())
  // A connection that arrives while both processes end.
  cluster.worker?.on('error', () => process.exit())
}

/** In ms. */
function processorTime (): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}
