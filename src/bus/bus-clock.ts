// The clock of the bus: time as an input, so that tests of many hours run in milliseconds.

export interface BusClock {
  /** Milliseconds that never go backwards. */
  now (): number
  /** Calls `run` once after `delay` ms. Returns a function that cancels it. Does not keep the process alive. */
  after (delay: number, run: () => void): () => void
  /** A number from 0 to 1. */
  random (): number
}

export const SYSTEM_CLOCK: BusClock = {
  now: () => performance.now(),
  after (delay, run) {
    const timer = setTimeout(run, delay)
    timer.unref()
    return () => clearTimeout(timer)
  },
  random: () => Math.random()
}
