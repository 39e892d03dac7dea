// JSON with sorted names: one text for equal values, for keys and digests.
import { isOpaque } from './is-record.js'

/**
 * Serializes a value as JSON with sorted names. What JSON cannot represent (NaN, infinity, BigInt, functions, symbols, promises, `Map`,
 * `Set`) is refused, and not changed as `JSON.stringify` does.
 *
 * @returns undefined for `undefined`
 * @throws `TypeError`; `RangeError` for a cycle
 */
export function canonicalJson (value: unknown): string | undefined {
  return textOf(value, '')
}

function textOf (given: unknown, name: string): string | undefined {
  const value = hasToJson(given) ? given.toJSON(name) : given
  switch (typeof value) {
    case 'string': return JSON.stringify(value)
    case 'boolean': return value ? 'true' : 'false'
    case 'undefined': return undefined
    case 'number':
      if (Number.isFinite(value)) return String(value)
      break
    case 'object':
      if (value === null) return 'null'
      return Array.isArray(value) ? arrayText(value) : objectText(value as Record<string, unknown>)
  }
  throw new TypeError(`JSON has no text for a ${typeof value}`)
}

function arrayText (items: readonly unknown[]): string {
  let text = ''
  for (let index = 0; index < items.length; index++) text += `${index === 0 ? '' : ','}${textOf(items[index], String(index)) ?? 'null'}`
  return `[${text}]`
}

function objectText (value: Readonly<Record<string, unknown>>): string {
  const names = Object.keys(value)
  if (names.length === 0 && isOpaque(value)) throw new TypeError('JSON has no text for the content of this object')
  let text = ''
  for (const name of names.sort()) {
    const part = textOf(value[name], name)
    if (part !== undefined) text += `${text === '' ? '' : ','}${JSON.stringify(name)}:${part}`
  }
  return `{${text}}`
}

function hasToJson (value: unknown): value is { toJSON (name: string): unknown } {
  return typeof value === 'object' && value !== null && typeof (value as { toJSON?: unknown }).toJSON === 'function'
}
