// Measures how large a value from outside is, because the cost of every step that reads it grows with its size.

/** V8 stores an object with more names than this as a dictionary, in which a name costs several values. */
const MANY_NAMES = 64
const NAME_WEIGHT = 4

/** The number of characters of a text that cost as much as one value. */
const TEXT = 256

/** A nesting depth that only a cycle, or an unreasonable value, reaches. */
const ENDLESS = 5_000

/**
 * Whether a value is larger than allowed, or is nested without end.
 *
 * @param most - the most values and names; the names of large objects count several times
 */
export function limitExceeded (value: unknown, most: number): 'large' | 'endless' | undefined {
  let values = 0
  // An explicit stack, because the nesting depth may come from a client.
  const pending: unknown[] = [value]
  const depths: number[] = [0]
  while (pending.length > 0) {
    const next = pending.pop()
    const depth = depths.pop() ?? 0
    if (depth > ENDLESS) return 'endless'
    values++
    if (typeof next === 'string') {
      values += Math.floor(next.length / TEXT)
    } else if (ArrayBuffer.isView(next)) {
      values += next.byteLength
    } else if (typeof next === 'object' && next !== null) {
      const names = Array.isArray(next) ? undefined : Object.keys(next)
      const count = names?.length ?? (next as unknown[]).length
      values += names !== undefined && count > MANY_NAMES ? count * NAME_WEIGHT : count
      if (values > most) return 'large'
      for (let index = 0; index < count; index++) {
        pending.push((next as Record<string | number, unknown>)[names === undefined ? index : names[index] as string])
        depths.push(depth + 1)
      }
    }
    if (values > most) return 'large'
  }
  return undefined
}
