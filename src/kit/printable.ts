// Makes text safe to print: characters that a terminal or a CI server interprets, and invisible characters, are written as `\uXXXX`.

/**
 * Everything except letters, marks, digits, punctuation, symbols and the ASCII space: control characters, line breaks, characters without
 * width, characters that change the writing direction, blanks that look like a space, and lone surrogates. Also more than four combining
 * marks in a row, because a pile of them covers the lines above. The invisible parts of an emoji are the exception: {@link emojiParts}.
 */
const UNPRINTABLE = [
  String.raw`(?! )[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Z}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}\u2800]`,
  String.raw`(?<=\p{M}{4})\p{M}`
].join('|')

/** Compiled for the first text that needs it: with its classes of characters, it takes longer than the rest of a start of a command. */
let unprintable: RegExp | undefined

/** The invisible characters that emoji are made with: the joiner, the selector of the colored form, and the tags of flags. */
const EMOJI_PART = /\u200d|\ufe0f|\udb40[\udc20-\udc7f]/

/** Each emoji that Unicode recommends. */
const EMOJI = String.raw`\p{RGI_Emoji}`

/** Where emoji can be. The list of emoji is long, so it is compared with these parts of a text only. */
let emojiRun: RegExp | undefined
let emoji: RegExp | undefined

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
  const visible = PLAIN.test(text) ? text : withoutInvisible(text)
  return visible.includes('##') ? visible.replace(COMMAND, '#\\u0023') : visible
}

function withoutInvisible (text: string): string {
  unprintable ??= new RegExp(UNPRINTABLE, 'gu')
  const kept = EMOJI_PART.test(text) ? emojiParts(text) : undefined
  return text.replace(unprintable, (character, offset: number) => kept?.has(offset) === true ? character : escaped(character))
}

/**
 * The offsets of the invisible characters in emoji. Only the emoji that Unicode recommends count: each has a picture of its own.
 * Between other characters, a joiner or a selector shows nothing, and two different keys would look the same.
 */
function emojiParts (text: string): ReadonlySet<number> {
  emojiRun ??= /[\p{Emoji}\p{Emoji_Component}]+/gu
  emoji ??= new RegExp(EMOJI, 'gv')
  const offsets = new Set<number>()
  for (const { 0: run, index } of text.matchAll(emojiRun)) {
    if (!EMOJI_PART.test(run)) continue
    for (const { 0: { length }, index: within } of run.matchAll(emoji)) {
      for (let offset = 0; offset < length; offset++) offsets.add(index + within + offset)
    }
  }
  return offsets
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
