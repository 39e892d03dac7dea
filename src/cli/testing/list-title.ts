// What is expected of a list, as a sentence.
import { listOf } from '../../kit/list-names.js'
import type { ListExpectation } from './expectations.js'

/** Keys in a sentence. */
const MAX_KEYS = 8

/** `ann's list of task in default to retrieve has exactly 1 and 2` */
export function listTitleOf ({ query: { user, action, resource }, list: { how, keys } }: ListExpectation): string {
  const list = `${user.key}'s list of ${resource.type} in ${resource.tenant} to ${action}`
  if (keys.length === 0) return `${list} is empty`
  return `${list} ${{ exactly: 'has exactly', contains: 'contains', excludes: 'excludes' }[how]} ${listOf(keys, MAX_KEYS)}`
}
