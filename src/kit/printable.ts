// Text that is safe to print: what a terminal or a CI server would obey, and what a reader cannot see, is written out as `\uXXXX`.

/**
 * Everything but letters, marks, digits, punctuation, symbols and the ASCII space: control characters, line breaks, characters that have no
 * width or change the direction of writing, blanks that look like a space, lone surrogates. Combining marks past the fourth, too: a pile
 * of them covers the lines above. The invisible parts of an emoji stay where they are part of one.
 */
const UNPRINTABLE = new RegExp([
  String.raw`(?! |(?<=\p{Extended_Pictographic})\ufe0f`,
  String.raw`|(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}]\ufe0f?)\u200d(?=\p{Extended_Pictographic}))`,
  String.raw`(?:[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Z}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}\u2800]|(?<=\p{M}{4})\p{M})`
].join(''), 'gu')

/** Nearly all text; it needs no second look. */
const PLAIN = /^[ -~]*$/

/** Commands that CI servers look for anywhere in a line: `##[error]`, `##vso[…]`, `##teamcity[…]`. */
const COMMAND = /##(?=\w*\[)/g

/**
 * Commands that CI servers look for at the start of a line: `::error::` (GitHub), `section_start:` (GitLab), `travis_fold:`, and the group
 * marks of Buildkite.
 */
const COMMAND_AT_START = /^\s*(?:::|section_(?:start|end):|travis_(?:fold|time):|(?:---|\+\+\+|~~~|\^\^\^) )/

/**
 * The text as part of a line, with everything that is not visible written out.
 *
 * Text that was made printable stays as it is. JSON text and TypeScript string literals mean the same afterwards.
 */
export function printable (text: string): string {
  const visible = PLAIN.test(text) ? text : text.replace(UNPRINTABLE, escaped)
  return visible.includes('##') ? visible.replace(COMMAND, '#\\u0023') : visible
}

/** The text as a whole line: {@link printable}, and no command of a CI server. */
export function printableLine (text: string): string {
  const line = printable(text)
  return isCommand(line) ? line.replace(/\S/, escaped) : line
}

/** A text of several lines, each made a {@link printableLine}. Only for a text whose line breaks are the package's own. */
export function printableLines (text: string): string {
  return text.split('\n').map(printableLine).join('\n')
}

/** Whether a CI server takes the line for a command because of how it begins. */
export function isCommand (line: string): boolean {
  return COMMAND_AT_START.test(line)
}

/** The text as escape sequences, one for each UTF-16 code unit. */
export function escaped (text: string): string {
  return Array.from({ length: text.length }, (_, index) => `\\u${text.charCodeAt(index).toString(16).padStart(4, '0')}`).join('')
}
