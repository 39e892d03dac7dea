// The load generator in a process of its own: many connections, one request at a time on each, and as little work for each as
// possible, so that what is measured is the server and not this.
import { connect, type Socket } from 'node:net'
import { setPriority } from 'node:os'
import { createHistogram } from 'node:perf_hooks'

interface Order {
  url: string
  connections: number
  seconds: number
}

const OK = Buffer.from('HTTP/1.1 200 ')
const END_OF_HEAD = Buffer.from('\r\n\r\n')

/** Bytes read at a time; an answer has a few hundred. */
const BUFFER_SIZE = 16 * 1024

async function run ({ url, connections, seconds }: Order) {
  const { hostname, port, host, pathname } = new URL(url)
  const request = Buffer.from(`GET ${pathname} HTTP/1.1\r\nhost: ${host}\r\n\r\n`)
  const latency = createHistogram()
  let total = 0
  let wrong = 0
  let running = false
  let open = connections
  let finish = () => {}
  const finished = new Promise<void>(resolve => { finish = resolve })

  const drive = () => new Promise<() => void>((resolve, reject) => {
    let sent = 0
    let received = 0
    /** Of this answer, known once its head was seen. */
    let length = 0
    const buffer = Buffer.allocUnsafe(BUFFER_SIZE)
    const ask = () => {
      sent = performance.now()
      socket.write(request)
    }
    const answered = () => {
      total++
      if (buffer.compare(OK, 0, OK.length, 0, OK.length) !== 0) wrong++
      latency.record(Math.max(1, Math.round((performance.now() - sent) * 1000)))
      received = 0
      length = 0
      if (running) ask()
      else socket.destroy()
    }
    const socket: Socket = connect({
      host: hostname,
      port: Number(port),
      noDelay: true,
      // Without a stream, and without a new buffer for each answer.
      onread: {
        buffer: () => buffer.subarray(received),
        callback: count => {
          received += count
          if (length === 0) length = lengthOf(buffer.subarray(0, received)) ?? 0
          if (length !== 0 && received >= length) answered()
          return true
        }
      }
    })
    socket.once('connect', () => resolve(ask))
    socket.once('error', error => {
      if (running) wrong++
      reject(error)
    })
    socket.once('close', () => { if (--open === 0) finish() })
  })

  const begin = await Promise.all(Array.from({ length: connections }, drive))
  running = true
  const start = performance.now()
  setTimeout(() => { running = false }, seconds * 1000)
  for (const ask of begin) ask()
  // Never asleep: to wake a process costs the one that writes to it several microseconds, and whether it has to would be what is measured.
  const stayAwake = (): void => { if (running) setImmediate(stayAwake) }
  stayAwake()
  await finished
  const took = (performance.now() - start) / 1000
  return { total, requests: total / took, p50: latency.percentile(50) / 1000, p99: latency.percentile(99) / 1000, wrong }
}

/** What an answer with this head has in all, if its head is there. All servers here send a content-length. */
function lengthOf (received: Buffer): number | undefined {
  const head = received.indexOf(END_OF_HEAD)
  if (head === -1) return undefined
  const length = /content-length: (\d+)/i.exec(received.toString('latin1', 0, head))
  return head + END_OF_HEAD.length + Number(length?.[1] ?? 0)
}

// It never sleeps: whoever shares its processor must come first.
setPriority(10)
process.on('message', async (order: Order) => process.send?.(await run(order)))
process.on('disconnect', () => process.exit())
process.send?.({ ready: true })
