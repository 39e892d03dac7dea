// The load generator in a process of its own: many connections, one or several requests at a time on each, and as little work for
// each as possible, so that what is measured is the server and not this.
import { connect, type Socket } from 'node:net'
import { createHistogram } from 'node:perf_hooks'

interface Order {
  url: string
  connections: number
  seconds: number
  /** Requests on their way on each connection. With one, whoever is slower sets the pace; with several, the server always has something to do. */
  depth: number
  /** Whether it keeps its processor, which it has for itself. */
  awake: boolean
}

const OK = Buffer.from('HTTP/1.1 200 ')
const END_OF_HEAD = Buffer.from('\r\n\r\n')

async function run ({ url, connections, seconds, depth, awake }: Order) {
  const { hostname, port, host, pathname } = new URL(url)
  const request = Buffer.from(`GET ${pathname} HTTP/1.1\r\nhost: ${host}\r\n\r\n`)
  const latency = createHistogram()
  let total = 0
  let wrong = 0
  let running = true

  const drive = (socket: Socket): Promise<void> => new Promise(resolve => {
    const sent: number[] = []
    let received: Buffer | undefined
    const next = (count: number) => {
      if (!running) {
        socket.destroy()
        resolve()
        return
      }
      const now = performance.now()
      for (let index = 0; index < count; index++) sent.push(now)
      socket.write(count === 1 ? request : Buffer.concat(Array.from({ length: count }, () => request)))
    }
    socket.on('data', (chunk: Buffer) => {
      received = received === undefined ? chunk : Buffer.concat([received, chunk])
      let answered = 0
      while (received !== undefined) {
        const length = lengthOf(received)
        if (length === undefined) break
        total++
        answered++
        if (received.compare(OK, 0, OK.length, 0, OK.length) !== 0) wrong++
        latency.record(Math.max(1, Math.round((performance.now() - sent.shift()!) * 1000)))
        received = received.length === length ? undefined : received.subarray(length)
      }
      if (answered > 0) next(answered)
    })
    socket.on('error', () => { wrong++; resolve() })
    next(depth)
  })

  const sockets = await Promise.all(Array.from({ length: connections }, () => new Promise<Socket>((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => resolve(socket))
    socket.once('error', reject)
    socket.setNoDelay()
  })))
  const start = performance.now()
  setTimeout(() => { running = false }, seconds * 1000)
  // Never asleep: to wake a process costs the one that writes to it several microseconds, and whether it has to would be what is measured.
  const spin = (): void => { if (running && awake) setImmediate(spin) }
  spin()
  await Promise.all(sockets.map(drive))
  const took = (performance.now() - start) / 1000
  return { total, requests: total / took, p50: latency.percentile(50) / 1000, p99: latency.percentile(99) / 1000, wrong }
}

/** The length of the first answer, if all of it is there, as long as its head says. All servers here send a content-length. */
function lengthOf (received: Buffer): number | undefined {
  const head = received.indexOf(END_OF_HEAD)
  if (head === -1) return undefined
  const length = /content-length: (\d+)/i.exec(received.toString('latin1', 0, head))
  const whole = head + END_OF_HEAD.length + Number(length?.[1] ?? 0)
  return received.length >= whole ? whole : undefined
}

process.on('message', async (order: Order) => process.send?.(await run(order)))
process.on('disconnect', () => process.exit())
process.send?.({ ready: true })
