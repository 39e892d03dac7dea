// Text that is safe to print and fits its column: keys of users come from anywhere, and a terminal obeys what it is sent.

/** Control characters, and those that turn the direction of writing around. */
const DANGEROUS = /[\p{Cc}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu

const PLAIN = /^[ -~]*$/

const WIDE = /\p{Script=Han}|\p{Script=Hangul}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Emoji_Presentation}|[\uff01-\uff60]/u

/** Names in a list, before the others are only counted. */
const MAX_NAMES = 50

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** The text with what a terminal would obey, or a reader be fooled by, written out. */
export function printable (text: string): string {
  return text.replace(DANGEROUS, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** How many columns the text takes. */
export function widthOf (text: string): number {
  // Nearly all keys are, and there may be very many of them.
  if (PLAIN.test(text)) return text.length
  let width = 0
  for (const { segment } of graphemes.segment(text)) width += columnsOf(segment)
  return width
}

/** The text in exactly that many columns: filled up with blanks, or cut. */
export function fit (text: string, width: number): string {
  const missing = width - widthOf(text)
  if (missing >= 0) return text + ' '.repeat(missing)
  let cut = ''
  let used = 1
  for (const { segment } of graphemes.segment(text)) {
    used += columnsOf(segment)
    if (used > width) break
    cut += segment
  }
  return fit(`${cut}…`, width)
}

/** The words in lines of at most that many columns; a word that is longer has a line of its own. */
export function wrap (text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && widthOf(line) + 1 + widthOf(word) > width) {
      lines.push(line)
      line = word
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  return [...lines, line]
}

/** A list of names that stays readable. */
export function namesOf (names: readonly string[]): string {
  return names.length <= MAX_NAMES ? names.join(', ') : `${names.slice(0, MAX_NAMES).join(', ')} and ${names.length - MAX_NAMES} more`
}

function columnsOf (grapheme: string): number {
  return WIDE.test(grapheme) ? 2 : 1
}
