// What a translation to SQL can ask of a value: a column, or a value in JSON. Each dialect has its own for both.

import type { Column } from '../fields.js'
import type { Order } from '../literals.js'
import { Unsayable } from '../unsupported-condition.js'
import type { Fragment } from './fragment.js'

/**
 * A value in SQL. Every fragment is TRUE where the comparison holds, and FALSE or NULL where it does not.
 * A method throws `Unsayable` for what this value cannot be asked exactly.
 */
export interface Node {
  /** The column, where it is one. */
  readonly own?: Column
  /** Whether it is one of these texts. The list is not empty. */
  isText (texts: readonly string[]): Fragment
  isNumber (numbers: readonly number[]): Fragment
  isBoolean (value: boolean): Fragment
  isNull (): Fragment
  orderOfText (order: Order, text: string): Fragment
  orderOfNumber (order: Order, number: number): Fragment
  /** Whether it is a text of which the other is a part. */
  contains (text: string): Fragment
  /** Whether it is a text that is a part of the other. */
  isContained (text: string): Fragment
  isList (): Fragment
  isObject (): Fragment
  /** Whether it is a list, and an item passes. */
  anyItem (test: (item: Node) => Fragment): Fragment
  /** Whether it is a list, and all items pass. */
  everyItem (test: (item: Node) => Fragment): Fragment
  /** Whether it is a list of so many items. */
  hasLength (length: number): Fragment
  /** Whether it is a list with this item, and the item passes. */
  itemAt (index: number, test: (item: Node) => Fragment): Fragment
  /** Whether it is an object of so many members. */
  hasMembers (count: number): Fragment
  /** Whether it is an object with a member by this path, and the member passes. */
  member (path: readonly string[], test: (member: Node) => Fragment): Fragment
  /** Whether it equals what is in a column of text, or of another scalar; both NULL is equal. */
  isColumn (other: Column): Fragment
  /** Whether it has the order to what is in a column. */
  orderOfColumn (order: Order, other: Column): Fragment
  /** Whether it is a text of which the column's text is a part. */
  containsColumn (other: Column): Fragment
}

/** What makes nodes: SQLite or PostgreSQL. */
export interface Dialect {
  readonly name: string
  column (column: Column): Node
  /** A test of what is in a column of JSON at a path; false where nothing is there. */
  json (column: Column, path: readonly string[], test: (value: Node) => Fragment): Fragment
}

/** What a column holds, where it is said. */
export type Kind = 'text' | 'number' | 'boolean' | 'date'

/** Refuses to compare a time, which is a text for `check` and none for the database, with a text. */
export function requireComparable (one: Kind | undefined, other: Kind | undefined): void {
  if ((one === 'date') === (other === 'date')) return
  if ([one, other].some(kind => kind === undefined || kind === 'text')) {
    throw new Unsayable('a column of times cannot be compared with a column of texts; store both as times, or both as text')
  }
}
