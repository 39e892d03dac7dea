// Splits long work into time slices: after a few milliseconds the event loop continues, and only one piece of long work runs at a time.

/** The length of a time slice, ms. */
const SLICE = 8

/** How long work may take before it counts as long, ms. Shorter than a slice, because many requests may start in the same iteration. */
const FIRST_SLICE = 2

/**
 * Work that waits for its next time slice. One is resumed in each iteration of the event loop, so that many long answers block it no
 * longer than one.
 */
const waiting: Array<() => void> = []

function wakeOne (): void {
  waiting.shift()?.()
  if (waiting.length > 0) setImmediate(wakeOne)
}

function nextSlice (): Promise<void> {
  return new Promise(resolve => {
    waiting.push(resolve)
    if (waiting.length === 1) setImmediate(wakeOne)
  })
}

/** The time slices of one piece of long work. */
export class TimeSlices {
  #ends = performance.now() + FIRST_SLICE

  /** Whether the time slice is over. Reads the clock. */
  get over (): boolean {
    return performance.now() >= this.#ends
  }

  /** Resolves when the next time slice begins. */
  async next (): Promise<void> {
    await nextSlice()
    this.#ends = performance.now() + SLICE
  }
}

/**
 * Runs the steps one after the other, and pauses when a time slice is over. Work that finishes in its first slice never waits.
 *
 * @param steps - a generator whose steps are all short
 * @param before - called before each time slice except the first; if it throws, the work ends
 * @returns what the generator returns
 */
export async function inTimeSlices<R> (steps: Generator<unknown, R>, before?: () => void): Promise<R> {
  const slices = new TimeSlices()
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done === true) return step.value
    if (!slices.over) continue
    await slices.next()
    before?.()
  }
}

/** Runs all steps at once, for callers that block no other work. */
export function runSync<R> (steps: Generator<unknown, R>): R {
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done === true) return step.value
  }
}

/** Maps a list, which may be long, in time slices. The list must not change meanwhile. */
export async function mapInTimeSlices<T, R> (items: readonly T[], map: (item: T) => R): Promise<R[]> {
  const slices = new TimeSlices()
  const mapped: R[] = []
  for (const item of items) {
    mapped.push(map(item))
    if (slices.over) await slices.next()
  }
  return mapped
}
