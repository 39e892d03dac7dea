// Copies plain data, such as attributes: what the caller changes later must not change a decision.

/** Beyond these a value is left to the platform, which also knows values that contain themselves, or one part many times. */
const MAX_DEPTH = 32
const MAX_PARTS = 10_000

/** Not a tree of what JSON knows, or a large one. */
const OTHER = Symbol('other')

/**
 * A deep copy, as `structuredClone` makes one, which takes twenty times as long for a few attributes.
 *
 * @throws DOMException when the value holds what is no data, such as a function
 */
export function clone<T> (value: T): T {
  const copy = copyOf(value, 0, { left: MAX_PARTS })
  return copy === OTHER ? structuredClone(value) : copy as T
}

function copyOf (value: unknown, depth: number, parts: { left: number }): unknown {
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value
  if (typeof value !== 'object' || depth >= MAX_DEPTH || --parts.left < 0) return OTHER
  const prototype: unknown = Object.getPrototypeOf(value)
  if (Array.isArray(value)) return prototype === Array.prototype ? listOf(value, depth, parts) : OTHER
  if (prototype !== Object.prototype) return OTHER
  const copy: Record<string, unknown> = {}
  for (const key of Object.keys(value)) {
    // Assigned, this would become the prototype.
    const part = key === '__proto__' ? OTHER : copyOf((value as Record<string, unknown>)[key], depth + 1, parts)
    if (part === OTHER) return OTHER
    copy[key] = part
  }
  return copy
}

function listOf (list: readonly unknown[], depth: number, parts: { left: number }): unknown {
  // Properties besides the items, and holes.
  if (Object.keys(list).length !== list.length) return OTHER
  const copy: unknown[] = []
  for (const item of list) {
    const part = copyOf(item, depth + 1, parts)
    if (part === OTHER) return OTHER
    copy.push(part)
  }
  return copy
}
