// Reads a document that may still be malformed: the checks of meaning run beside the check of shape, so that one load reports
// all mistakes, and must not trip over what the other reports.
import { isRecord } from '../../kit/is-record.js'

/** Keys and values of what should be an object; none when it is something else. */
export function entriesOf<T> (value: Readonly<Record<string, T>> | null | undefined): Array<[string, T]> {
  return isRecord(value) ? Object.entries<T>(value as Record<string, T>) : []
}

/** Index and item of what should be a list of objects, without the items that are something else. */
export function blocksOf<T extends object> (value: readonly T[] | undefined): Array<[number, Partial<T>]> {
  return Array.isArray(value) ? [...value.entries()].filter(([, item]) => isRecord(item)) : []
}

/** Index and item of what should be a list of texts, without the items that are something else. */
export function textsOf (value: readonly string[] | undefined): Array<[number, string]> {
  return Array.isArray(value) ? [...value.entries()].filter(([, item]) => isText(item)) : []
}

/** The object itself, or an empty one for `null` and for what should not be there. */
export function blockOf<T extends object> (value: T | null | undefined): Partial<T> {
  return isRecord(value) ? value as T : {}
}

/** Whether it is a text with something in it. */
export function isText (value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
