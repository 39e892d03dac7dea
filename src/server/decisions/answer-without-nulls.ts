// Removes members that are `null`, at any depth, as the older half of Permit's PDP does in its answers.
import { isRecord } from '../../kit/is-record.js'

/** Returns a copy of the value without members that are `null`. Items of lists stay. */
export function withoutNulls<T> (value: T): T {
  if (Array.isArray(value)) return value.map(item => withoutNulls<unknown>(item)) as T
  if (!isRecord(value)) return value
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== null).map(([key, item]) => [key, withoutNulls(item)])) as T
}
