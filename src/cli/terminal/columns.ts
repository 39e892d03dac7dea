// Text in columns: how wide it is in a terminal, and how it is cut, padded and wrapped. All text here is printable already.

const PLAIN = /^[ -~]*$/

const WIDE = /\p{Script=Han}|\p{Script=Hangul}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Emoji_Presentation}|[\uff01-\uff60]/u

let graphemes: Intl.Segmenter | undefined

/** The characters of a text, as a reader sees them. The segmenter is created when it is needed: it takes longer than most commands. */
function charactersOf (text: string): Intl.Segments {
  graphemes ??= new Intl.Segmenter('en', { granularity: 'grapheme' })
  return graphemes.segment(text)
}

/** Returns the number of columns that the text takes. */
export function widthOf (text: string): number {
  // Nearly all keys are plain, and there may be very many of them.
  if (PLAIN.test(text)) return text.length
  let width = 0
  for (const { segment } of charactersOf(text)) width += columnsOf(segment)
  return width
}

/** Pads or cuts the text to exactly this number of columns. */
export function fit (text: string, width: number): string {
  const missing = width - widthOf(text)
  if (missing >= 0) return text + ' '.repeat(missing)
  let cut = ''
  let used = 1
  for (const { segment } of charactersOf(text)) {
    used += columnsOf(segment)
    if (used > width) break
    cut += segment
  }
  return fit(`${cut}…`, width)
}

/** Wraps the text between words at this number of columns; a longer word gets a line of its own. */
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

function columnsOf (grapheme: string): number {
  return WIDE.test(grapheme) ? 2 : 1
}
