// Shortens texts in messages, because a name may be as long as a request or a file.

/** Cuts a text after the given number of characters, and marks the cut with `…`. */
export function shorten (text: string, length: number): string {
  if (text.length <= length) return text
  const end = text.charCodeAt(length - 1)
  // Does not split a surrogate pair.
  return `${text.slice(0, end >= 0xd800 && end <= 0xdbff ? length - 1 : length)}…`
}
