// How long the event loop is held, measured from within, and a client that lives in a thread of its own so that it does not hold it.
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

/** Measures the longest time between two turns of the event loop, ms: of the clock or of the processor, whichever is less, because other processes want some. */
export class Beat {
  #longest = 0
  #clock = 0
  #processor = 0
  #next: NodeJS.Immediate | undefined

  start (): void {
    this.#longest = 0
    this.#note()
    const beat = (): void => {
      const clock = performance.now() - this.#clock
      const { user, system } = process.cpuUsage()
      this.#longest = Math.max(this.#longest, Math.min(clock, (user + system) / 1_000 - this.#processor))
      this.#note()
      this.#next = setImmediate(beat)
    }
    this.#next = setImmediate(beat)
  }

  /** The longest. */
  stop (): number {
    clearImmediate(this.#next)
    return this.#longest
  }

  #note (): void {
    const { user, system } = process.cpuUsage()
    this.#processor = (user + system) / 1_000
    this.#clock = performance.now()
  }
}

/** Ms of the processor that `work` takes on a machine like those that the limits were chosen on. */
const USUAL = 30

const TEXT = JSON.stringify(Array.from({ length: 20_000 }, (_, index) => ({ key: `k${index}`, index, tags: ['a', `b${index}`] })))

/** Whether the event loop was held for less than a limit in ms. On a slower processor, or on one that others slow down, the same work takes longer. */
export function isBelow (held: number, limit: number): boolean {
  return held < limit || held < limit * Math.max(1, Math.min(work(), work(), work()) / USUAL)
}

function work (): number {
  const before = process.cpuUsage()
  JSON.stringify((JSON.parse(TEXT) as Array<{ key: string }>).sort((a, b) => a.key < b.key ? -1 : 1))
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1_000
}

/** What came of a request. */
export interface Exchange {
  readonly status: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly start: string
}

const CLIENT = `
  const { parentPort } = require('node:worker_threads')
  const { request } = require('node:http')
  const { connect } = require('node:net')
  parentPort.on('message', ({ url, method, headers, body, raw }) => {
    const { hostname, port, pathname, search } = new URL(url)
    let bytes = 0
    let start = ''
    let told = false
    const take = chunk => { bytes += chunk.length; if (start.length < 200) start += chunk.toString('latin1').slice(0, 200) }
    const tell = (status, bytesIn) => { if (!told) parentPort.postMessage({ status, bytesIn, bytesOut: bytes, start }); told = true }
    if (raw !== undefined) {
      // It does not say that it is done: the server closes the connection, or it takes too long.
      const socket = connect(port, hostname)
      const timer = setTimeout(() => socket.destroy(), 10_000)
      socket.on('data', take).on('error', () => {}).on('close', () => { clearTimeout(timer); tell(0, raw.length) })
      socket.write(raw)
      return
    }
    const sent = request({ hostname, port, path: pathname + search, method, headers: { ...headers, ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }) }, agent: false }, response => {
      response.on('data', take).on('error', () => {}).on('close', () => tell(response.statusCode, (body ?? '').length + 200))
    })
    // A body that is not read to its end is refused so; where an answer came as well, it is the answer.
    sent.on('error', () => setTimeout(() => tell(413, (body ?? '').length), 100))
    sent.end(body)
  })
`

/** A client in a thread. One request at a time. */
export class ThreadClient {
  readonly #worker = new Worker(CLIENT, { eval: true })

  async send (request: { url: string, method?: string, headers?: Record<string, string>, body?: string, raw?: string }): Promise<Exchange> {
    this.#worker.postMessage(request)
    const [exchange] = await once(this.#worker, 'message') as [Exchange]
    return exchange
  }

  async close (): Promise<void> {
    await this.#worker.terminate()
  }
}
