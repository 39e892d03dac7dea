// Narrows an unknown value to a JSON object.

/** Whether the value is an object with named properties: not an array and not `null`. */
export function isRecord (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
