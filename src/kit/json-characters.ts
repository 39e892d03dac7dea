// Walks over JSON text without parsing it: the characters that structure it, its white space and its strings.

export const QUOTE = 0x22
export const COMMA = 0x2c
export const COLON = 0x3a
export const OPEN_BRACKET = 0x5b
export const CLOSE_BRACKET = 0x5d
export const OPEN_BRACE = 0x7b
export const CLOSE_BRACE = 0x7d
export const BACKSLASH = 0x5c

/** The index of the first character, from `from` on, that is not white space; the length of the text if there is none. */
export function skipSpace (text: string, from: number): number {
  let at = from
  for (let code = text.charCodeAt(at); code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09; code = text.charCodeAt(at)) at++
  return at
}

/** The index of the closing quote of the string that begins at `start`; the length of the text if there is none. */
export function endOfString (text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let before = at - 1
    while (text.charCodeAt(before) === BACKSLASH) before--
    // An even number of backslashes stands for half as many.
    if ((at - before) % 2 === 1) return at
  }
  return text.length
}
