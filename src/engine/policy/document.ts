// Reads a document that may be malformed. The checks of meaning run together with the checks of shape, so that all mistakes are reported
// at once; so they must tolerate what the checks of shape report.
import { isRecord } from '../../kit/is-record.js'

/** The entries of an object; none for any other value. */
export function entriesOf<T> (value: Readonly<Record<string, T>> | null | undefined): Array<[string, T]> {
  return isRecord(value) ? Object.entries<T>(value as Record<string, T>) : []
}

/** The items of a list that are objects, with their indexes. */
export function blocksOf<T extends object> (value: readonly T[] | undefined): Array<[number, Partial<T>]> {
  return Array.isArray(value) ? [...value.entries()].filter(([, item]) => isRecord(item)) : []
}

/** The items of a list that are texts, with their indexes. */
export function textsOf (value: readonly string[] | undefined): Array<[number, string]> {
  return Array.isArray(value) ? [...value.entries()].filter(([, item]) => isText(item)) : []
}

/** The object; an empty one for `null` and for any other value. */
export function blockOf<T extends object> (value: T | null | undefined): Partial<T> {
  return isRecord(value) ? value as T : {}
}

/** Whether it is a text that is not empty. */
export function isText (value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
