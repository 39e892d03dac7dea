// Converts a row's columns to what `check` would see: the JSON values that an app would pass to it.

import { isRecord } from '../kit/is-record.js'
import { readJson } from '../kit/read-json.js'
import { FIRST_TIME, LAST_TIME } from './literals.js'
import type { Column, Database } from './fields.js'

/**
 * The value that a condition sees where a driver has read this from the column. What is not JSON (NULL, `NaN`, a time outside of the years
 * 0 to 9999) is `null`.
 */
export function valueOf (column: Column, read: unknown, database?: Database): unknown {
  if (read === undefined || read === null) return null
  if (column.isKey) return keyOf(read)
  switch (column.type) {
    case 'boolean':
      if (typeof read === 'boolean') return read
      return read === 1 || read === 1n ? true : read === 0 || read === 0n ? false : null
    case 'date':
      return timeText(read)
    case 'integer':
    case 'number':
      // Drivers give decimals and large integers as text.
      if (database !== 'sqlite' && typeof read === 'string') return finite(Number(read))
      return plain(isDecimal(read) ? Number(read) : read)
    case 'json':
      return database === 'sqlite' && typeof read === 'string' ? parsed(read) : plain(read)
    default:
      return plain(read)
  }
}

/** A key is text; a whole number counts as its digits. */
export function keyOf (read: unknown): string | null {
  if (typeof read === 'string') return read
  if (typeof read === 'bigint' || (typeof read === 'number' && Number.isSafeInteger(read))) return String(read)
  return null
}

function plain (read: unknown): unknown {
  if (read instanceof Date) return timeText(read)
  if (typeof read === 'bigint') return Number(read)
  if (typeof read === 'number') return finite(read)
  return read
}

function finite (number: number): number | null {
  return Number.isFinite(number) ? number : null
}

function timeText (read: unknown): string | null {
  const time = timeIn(read)
  return time >= FIRST_TIME && time <= LAST_TIME ? new Date(time).toISOString() : null
}

function timeIn (read: unknown): number {
  if (read instanceof Date) return read.getTime()
  if (typeof read === 'number' || typeof read === 'bigint') return Number(read)
  return typeof read === 'string' ? Date.parse(read) : NaN
}

function parsed (text: string): unknown {
  try {
    return readJson(text)
  } catch {
    return null
  }
}

/** The decimals of Prisma. */
function isDecimal (read: unknown): boolean {
  return isRecord(read) && typeof read['toFixed'] === 'function'
}
