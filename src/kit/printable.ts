// Makes text safe to print: characters that a terminal or a CI server interprets, and invisible characters, are written as `\uXXXX`.

/**
 * Everything except letters, marks, digits, punctuation, symbols and the ASCII space: control characters, line breaks, characters without
 * width, characters that change the writing direction, blanks that look like a space, and lone surrogates. Also more than four combining
 * marks in a row, because a pile of them covers the lines above. Invisible parts of an emoji are kept.
 */
const UNPRINTABLE = [
  String.raw`(?! |(?<=\p{Extended_Pictographic})\ufe0f`,
  String.raw`|(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}]\ufe0f?)\u200d(?=\p{Extended_Pictographic}))`,
  String.raw`(?:[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Z}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}\u2800]|(?<=\p{M}{4})\p{M})`
].join('')

/** Compiled for the first text that needs it: with its classes of characters, it takes longer than the rest of a start of a command. */
let unprintable: RegExp | undefined

/** Most texts match this and need no further check. */
const PLAIN = /^[ -~]*$/

/** Commands that CI servers recognize anywhere in a line: `##[error]`, `##vso[…]`, `##teamcity[…]`. */
const COMMAND = /##(?=\w*\[)/g

/**
 * Commands that CI servers recognize at the start of a line: `::error::` (GitHub), `section_start:` (GitLab), `travis_fold:`, and the group
 * marks of Buildkite.
 */
const COMMAND_AT_START = /^\s*(?:::|section_(?:start|end):|travis_(?:fold|time):|(?:---|\+\+\+|~~~|\^\^\^) )/

/**
 * Makes a text safe as part of a line: everything invisible becomes an escape sequence.
 *
 * Printable text does not change. JSON texts and TypeScript string literals keep their meaning.
 */
export function printable (text: string): string {
  const visible = PLAIN.test(text) ? text : text.replace(unprintable ??= new RegExp(UNPRINTABLE, 'gu'), escaped)
  return visible.includes('##') ? visible.replace(COMMAND, '#\\u0023') : visible
}

/** Makes a text safe as a whole line: {@link printable}, and never a command of a CI server. */
export function printableLine (text: string): string {
  const line = printable(text)
  return isCommand(line) ? line.replace(/\S/, escaped) : line
}

/** Makes each line of a text a {@link printableLine}. Only for texts whose line breaks come from this package. */
export function printableLines (text: string): string {
  return text.split('\n').map(printableLine).join('\n')
}

/** Whether the start of the line is a command of a CI server. */
export function isCommand (line: string): boolean {
  return COMMAND_AT_START.test(line)
}

/** The text as escape sequences, one for each UTF-16 code unit. */
export function escaped (text: string): string {
  return Array.from({ length: text.length }, (_, index) => `\\u${text.charCodeAt(index).toString(16).padStart(4, '0')}`).join('')
}
