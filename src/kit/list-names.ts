// Formats lists of names for messages, limited in length.

/**
 * Formats the names as part of a sentence: `a, b and c`. A long list is cut and ends with the number of the others: `a, b and 7 more`.
 *
 * @param max - the most names in the list
 * @param last - the word before the last name
 */
export function listOf (names: readonly string[], max: number, last: 'and' | 'or' = 'and'): string {
  if (names.length > max) return `${names.slice(0, max).join(', ')} ${last} ${names.length - max} more`
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} ${last} ${names.at(-1)}`
}
