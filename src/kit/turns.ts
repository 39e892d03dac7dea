// Splits long work into turns: after a few milliseconds the event loop continues, and only one piece of long work runs at a time.

/** How long one piece of work goes on, ms. */
const TURN = 8

/** How long work goes on before it counts as long, ms. Shorter than a turn: many requests may begin in one iteration of the event loop. */
const FIRST_TURN = 2

/** Those who wait for a turn. One is woken in each iteration of the event loop, so that many long answers hold it no longer than one. */
const waiting: Array<() => void> = []

function wakeOne (): void {
  waiting.shift()?.()
  if (waiting.length > 0) setImmediate(wakeOne)
}

function turn (): Promise<void> {
  return new Promise(resolve => {
    waiting.push(resolve)
    if (waiting.length === 1) setImmediate(wakeOne)
  })
}

/** The turns of one piece of long work. */
export class Turns {
  #ends = performance.now() + FIRST_TURN

  /** Whether the turn is over. Reads the clock. */
  get over (): boolean {
    return performance.now() >= this.#ends
  }

  /** Resolves when the next turn begins. */
  async next (): Promise<void> {
    await turn()
    this.#ends = performance.now() + TURN
  }
}

/**
 * Takes one step after the other, and pauses when a turn is over. Work that is done in its first turn never waits.
 *
 * @param steps - each of its steps is short
 * @param before - called before each turn but the first; what it throws ends the work
 * @returns what the steps return
 */
export async function inTurns<R> (steps: Generator<unknown, R>, before?: () => void): Promise<R> {
  const turns = new Turns()
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done === true) return step.value
    if (!turns.over) continue
    await turns.next()
    before?.()
  }
}

/** Takes all steps at once, for those who do not share the event loop with anybody. */
export function atOnce<R> (steps: Generator<unknown, R>): R {
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done === true) return step.value
  }
}

/** Maps a list, which may be long: others get their turn in between. The list must stay as it is meanwhile. */
export async function mapInTurns<T, R> (items: readonly T[], map: (item: T) => R): Promise<R[]> {
  const turns = new Turns()
  const mapped: R[] = []
  for (const item of items) {
    mapped.push(map(item))
    if (turns.over) await turns.next()
  }
  return mapped
}
