// A text cut short, for messages: a name in them may be as long as a request, or a file.

/** The beginning of a text that is longer than so many characters, with a mark that it goes on. */
export function shorten (text: string, length: number): string {
  if (text.length <= length) return text
  const end = text.charCodeAt(length - 1)
  // Not in the middle of a pair of surrogates.
  return `${text.slice(0, end >= 0xd800 && end <= 0xdbff ? length - 1 : length)}…`
}
