// The decisions that the page has: from the stream, at most as many as the app keeps.
import type { InspectorRow, InspectorRows } from '../inspector-row.js'

/** The most decisions on the page. */
const MAX_ROWS = 1_000

/** How often the page is drawn while decisions come, ms; less often when that takes long, so that the page can answer its user. */
const REDRAW = 200
const REST = 4

/** Whether decisions come. */
export type Connection = 'connecting' | 'live' | 'refused'

/** What the table shows. */
export interface LiveState {
  /** The newest first. */
  readonly rows: readonly InspectorRow[]
  readonly connection: Connection
  readonly paused: boolean
  /** Decisions that came while the table is paused. */
  readonly waiting: number
  /** Decisions that this browser was too slow for. */
  readonly lost: number
}

/** Reads the stream and tells one listener what to show. */
export class LiveDecisions {
  #state: LiveState = { rows: [], connection: 'connecting', paused: false, waiting: 0, lost: 0 }
  #waiting: InspectorRow[] = []
  #timer: number | undefined
  /** The time until the next drawing, ms. */
  #pause = REDRAW
  readonly #changed: (state: LiveState) => void

  constructor (changed: (state: LiveState) => void) {
    this.#changed = changed
    this.#connect()
  }

  get state (): LiveState {
    return this.#state
  }

  /** Stops and continues the table. What comes meanwhile waits. */
  pause (paused: boolean): void {
    this.#set({ paused })
    if (!paused) this.#draw()
  }

  /** Empties the table. */
  clear (): void {
    this.#waiting = []
    this.#set({ rows: [], waiting: 0, lost: 0 })
  }

  #connect (): void {
    const source = new EventSource('stream')
    source.addEventListener('open', () => this.#set({ connection: 'live' }))
    source.addEventListener('rows', event => this.#take(JSON.parse((event as MessageEvent<string>).data) as InspectorRows))
    source.addEventListener('error', () => {
      // The browser connects again by itself, unless the app has refused.
      if (source.readyState !== EventSource.CLOSED) return this.#set({ connection: 'connecting' })
      this.#set({ connection: 'refused' })
      setTimeout(() => this.#connect(), 5_000)
    })
  }

  #take ({ rows, lost, fresh }: InspectorRows): void {
    if (fresh) {
      this.#waiting = []
      this.#state = { ...this.#state, rows: [] }
    }
    this.#state = { ...this.#state, lost: this.#state.lost + lost }
    this.#waiting.push(...rows)
    if (this.#waiting.length > MAX_ROWS) this.#waiting.splice(0, this.#waiting.length - MAX_ROWS)
    this.#timer ??= setTimeout(() => this.#draw(), this.#pause)
  }

  #draw (): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#state.paused) {
      this.#set({ waiting: this.#waiting.length })
      return
    }
    const start = performance.now()
    const newest = this.#waiting.toReversed()
    this.#waiting = []
    this.#set({ rows: [...newest, ...this.#state.rows].slice(0, MAX_ROWS), waiting: 0 })
    setTimeout(() => {
      // The page is drawn by now, but for its layout, which the browser would make later.
      document.body.getBoundingClientRect()
      this.#pause = Math.max(REDRAW, REST * (performance.now() - start))
    })
  }

  #set (change: Partial<LiveState>): void {
    this.#state = { ...this.#state, ...change }
    this.#changed(this.#state)
  }
}
