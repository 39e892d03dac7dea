// Sends decisions to the browsers that watch, as server-sent events. The app never waits for a browser: a slow one loses decisions, and is
// told how many.
import { randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import type { DecisionFeed } from './decision-feed.js'

/** The most browsers at a time. */
export const MAX_STREAMS = 8

/** How often decisions are sent, ms, and how many at most each time. */
const INTERVAL = 100
const MAX_ROWS = 250
/** How long the rows of one turn may take, ms: the app has other work. */
const MAX_WORK = 5
/** How long a stream may last, ms. The browser then asks again, so that the guard decides again. */
const LIFETIME = 60_000
/** After how long without news a comment is sent, ms, for proxies that end silent connections. */
const SILENCE = 15_000
/** How long a browser may read nothing, ms. */
const STALLED = 20_000

interface Stream {
  readonly response: ServerResponse
  /** The id of the next decision to send. */
  next: number
  /** Whether this is the first event for a browser that has none of these decisions. */
  fresh: boolean
  readonly opened: number
  /** When something was sent last. */
  sent: number
  /** Whether the browser has yet to read what was sent. */
  isBehind: boolean
}

/** The streams of one inspector. */
export class DecisionStreams {
  readonly #feed: DecisionFeed
  readonly #streams = new Set<Stream>()
  /** Ids count from the start of this process. */
  readonly #run = randomBytes(8).toString('hex')
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor (feed: DecisionFeed) {
    this.#feed = feed
  }

  /** Whether no more browsers can watch. */
  get full (): boolean {
    return this.#closed || this.#streams.size >= MAX_STREAMS
  }

  /**
   * Starts a stream. It goes on behind the last event that the browser has.
   * @param lastEvent - the browser's header `Last-Event-ID`
   */
  add (response: ServerResponse, lastEvent: unknown): void {
    const [, run, id] = /^([0-9a-f]{16})-(\d{1,15})$/.exec(String(lastEvent)) ?? []
    const goesOn = run === this.#run && Number(id) <= this.#feed.last
    const now = performance.now()
    const next = goesOn ? Number(id) + 1 : this.#feed.first
    const stream: Stream = { response, next, fresh: !goesOn, opened: now, sent: now, isBehind: false }
    this.#streams.add(stream)
    this.#feed.watchers = this.#streams.size
    response.once('close', () => this.#remove(stream))
    response.on('drain', () => { stream.isBehind = false })
    response.on('error', () => response.destroy())
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' })
    response.write('retry: 1000\n\n')
    this.#send(stream, now + MAX_WORK)
    this.#timer ??= setInterval(() => this.#turn(), INTERVAL)
  }

  /** Ends all streams. The browser's next attempt is refused. */
  close (): void {
    this.#closed = true
    for (const { response } of this.#streams) response.end()
    clearInterval(this.#timer)
  }

  #remove (stream: Stream): void {
    this.#streams.delete(stream)
    this.#feed.watchers = this.#streams.size
    if (this.#streams.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #turn (): void {
    const now = performance.now()
    const deadline = now + MAX_WORK
    for (const stream of this.#streams) {
      const { response, opened, sent, isBehind } = stream
      if (isBehind) {
        if (now - sent > STALLED) response.destroy()
      } else if (now - opened > LIFETIME || isStopping(response)) {
        response.end()
      } else {
        this.#send(stream, deadline)
        if (now - stream.sent > SILENCE) this.#write(stream, ': \n\n')
      }
    }
  }

  /** Sends what the browser has not seen, as far as it goes until `deadline`. The rest comes with the next turn. */
  #send (stream: Stream, deadline: number): void {
    const { first, last } = this.#feed
    const lost = stream.fresh ? 0 : Math.max(0, first - stream.next)
    let next = Math.max(first, stream.next)
    if (next > last && !stream.fresh) return
    const rows: string[] = []
    while (next <= last && rows.length < MAX_ROWS && (rows.length === 0 || performance.now() < deadline)) {
      rows.push(this.#feed.json(next++) as string)
    }
    // JSON has no line break, so no text can end the event.
    const data = `{"rows":[${rows.join(',')}],"lost":${lost},"fresh":${stream.fresh}}`
    stream.next = next
    stream.fresh = false
    this.#write(stream, `id: ${this.#run}-${next - 1}\nevent: rows\ndata: ${data}\n\n`)
  }

  #write (stream: Stream, text: string): void {
    stream.isBehind = !stream.response.write(text)
    stream.sent = performance.now()
  }
}

/** Whether the server takes no more connections: it waits for those that are open, and a stream would never end. */
function isStopping ({ req: { socket } }: ServerResponse): boolean {
  return (socket as { server?: { listening?: boolean } }).server?.listening === false
}
