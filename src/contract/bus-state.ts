// The health and the counters of the bus.

/** Whether this instance and the bus hear each other. */
export interface BusHealth {
  readonly ok: boolean
  /** The kind of bus: `redis`, `postgres`, `cluster` or `custom`. */
  readonly name: string
  /** The instances that are on the bus, this one included. */
  readonly instances: number
  /** Those of them that are not heard although they have not said goodbye. */
  readonly silent: number
  /** The reason, if `ok` is false. */
  readonly reason?: string
}

/** Counters of the bus since the start. */
export interface BusStats {
  /** Whether this instance and the bus hear each other now. */
  readonly up: boolean
  /** The instances that are on the bus now, this one included, and those of them that are not heard. */
  readonly instances: number
  readonly silent: number
  /** Messages that the bus has taken, and messages that were received, heartbeats included. */
  readonly sent: number
  readonly received: number
  /** How often messages of another instance were missing. */
  readonly gaps: number
  /** Messages that were dropped, because they could not be read or were too many. */
  readonly rejected: number
  /** How often everything was forgotten because of the bus. */
  readonly forgetAll: number
  /** How often the bus was away. */
  readonly outages: number
}
