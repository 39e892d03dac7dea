// The load generator in a process of its own: many connections, one request at a time on each, and as little work for
// each as possible, so that what is measured is the server and not this.
import { connect, type Socket } from 'node:net'
import { createHistogram } from 'node:perf_hooks'

interface Order { url: string, connections: number, seconds: number }

const OK = Buffer.from('HTTP/1.1 200 ')
const END_OF_HEAD = Buffer.from('\r\n\r\n')

async function run ({ url, connections, seconds }: Order) {
  const { hostname, port, host, pathname } = new URL(url)
  const request = Buffer.from(`GET ${pathname} HTTP/1.1\r\nhost: ${host}\r\n\r\n`)
  const latency = createHistogram()
  let total = 0
  let wrong = 0
  let running = true

  const drive = (socket: Socket): Promise<void> => new Promise(resolve => {
    let sent = 0
    let received: Buffer | undefined
    const next = () => {
      if (!running) {
        socket.destroy()
        resolve()
        return
      }
      sent = performance.now()
      socket.write(request)
    }
    socket.on('data', (chunk: Buffer) => {
      received = received === undefined ? chunk : Buffer.concat([received, chunk])
      if (!isWhole(received)) return
      total++
      if (received.compare(OK, 0, OK.length, 0, OK.length) !== 0) wrong++
      received = undefined
      latency.record(Math.max(1, Math.round((performance.now() - sent) * 1000)))
      next()
    })
    socket.on('error', () => { wrong++; resolve() })
    next()
  })

  const sockets = await Promise.all(Array.from({ length: connections }, () => new Promise<Socket>((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => resolve(socket))
    socket.once('error', reject)
    socket.setNoDelay()
  })))
  const start = performance.now()
  setTimeout(() => { running = false }, seconds * 1000)
  await Promise.all(sockets.map(drive))
  const took = (performance.now() - start) / 1000
  return { total, requests: total / took, p50: latency.percentile(50) / 1000, p99: latency.percentile(99) / 1000, wrong }
}

/** Whether the head and the body, as long as the head says, are there. All servers here send a content-length. */
function isWhole (received: Buffer): boolean {
  const head = received.indexOf(END_OF_HEAD)
  if (head === -1) return false
  const length = /content-length: (\d+)/i.exec(received.toString('latin1', 0, head))
  return received.length >= head + END_OF_HEAD.length + Number(length?.[1] ?? 0)
}

process.on('message', async (order: Order) => process.send?.(await run(order)))
process.on('disconnect', () => process.exit())
process.send?.({ ready: true })
