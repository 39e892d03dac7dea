// Heap for each decision in the cache, in a process of its own that can collect its garbage: node --expose-gc memory.js
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import permit from 'fastify-permit'

const COUNT = 50_000

declare const gc: () => void

const pdp = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const body: unknown = chunks.length === 0 ? undefined : JSON.parse(Buffer.concat(chunks).toString())
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(Array.isArray(body) ? { allow: body.map(() => ({ allow: true })) } : { allow: true }))
  })
})
await new Promise<void>(resolve => pdp.listen(0, '127.0.0.1', resolve))
const app = Fastify()
await app.register(permit, { pdp: `http://127.0.0.1:${(pdp.address() as AddressInfo).port}`, token: 'bench', timeout: 60_000, cache: { ttl: 3_600_000, max: 2 * COUNT } })

async function fill (from: number, to: number) {
  for (let start = from; start < to; start += 500) {
    await Promise.all(Array.from({ length: Math.min(500, to - start) }, (_, index) => app.permit.check(`user${start + index}@example.com`, 'read', 'task')))
  }
}

async function heap () {
  for (let turn = 0; turn < 5; turn++) {
    await new Promise(resolve => setTimeout(resolve, 20))
    gc()
  }
  return process.memoryUsage().heapUsed
}

// The first half warms up everything that is not a decision; its decisions are there in both readings.
await fill(0, COUNT)
const before = await heap()
await fill(COUNT, 2 * COUNT)
const after = await heap()
if (app.permit.stats().cache?.size !== 2 * COUNT) throw new Error('not everything was remembered')
process.send?.({ bytes: (after - before) / COUNT })
if (process.send === undefined) console.log(`${Math.round((after - before) / COUNT)} bytes for each decision`)
await app.close()
pdp.close()
