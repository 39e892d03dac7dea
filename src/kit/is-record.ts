// Narrows an unknown value to a JSON object, and tells objects whose content JSON does not have.

/** Whether the value is an object with named properties: not an array and not `null`. */
export function isRecord (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether an object has no names that can be seen, and is not plain: a promise, a `Map`, an instance whose fields are private. */
export function hidesContent (value: object): boolean {
  if (Array.isArray(value) || Object.keys(value).length > 0) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  // Plain objects of other realms have another Object.prototype, whose own prototype is null, too.
  return prototype !== null && Object.getPrototypeOf(prototype) !== null
}

/** Whether JSON would lose the content of an object: it would become `{}`. */
export function isOpaque (value: object): boolean {
  return hidesContent(value) && typeof (value as { toJSON?: unknown }).toJSON !== 'function'
}
