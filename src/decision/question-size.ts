// How large the attributes of a question are: a client may have filled them, and everything that is done with them takes time in proportion.

/** Values and names of the attributes of a user or a resource, or of a context, at most. Some tens of milliseconds to check, copy and compare. */
export const MAX_VALUES = 65_536

/** An object with more names than this is a dictionary for V8: each of its names costs some values. */
const MANY_NAMES = 64
const NAME_WEIGHT = 4

/** Characters of a text that are a value's work. */
const TEXT = 256

/** Levels of nesting that are too many for anything, and that a cycle gets to. */
const ENDLESS = 5_000

/** Whether it is larger than attributes may be, or has no end. */
export function excessOf (value: unknown): 'large' | 'endless' | undefined {
  let values = 0
  // A stack of our own: the nesting is the client's.
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
      if (values > MAX_VALUES) return 'large'
      for (let index = 0; index < count; index++) {
        pending.push((next as Record<string | number, unknown>)[names === undefined ? index : names[index] as string])
        depths.push(depth + 1)
      }
    }
    if (values > MAX_VALUES) return 'large'
  }
  return undefined
}
