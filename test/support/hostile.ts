// Text that attacks what prints it: terminals, CI servers, readers of logs; and what printed text may be made of.
import fc from 'fast-check'

/** What a terminal obeys, a CI server takes for a command, a reader does not see, or a document takes for its own syntax. */
const FRAGMENTS = [
  '\u001b[2J', '\u001b[31m', '\u001b[32m✓ all hold\u001b[39m', '\u001b]0;title\u0007', '\u001b]8;;http://evil\u0007', '\u009b31m',
  '\u0007', '\b\b\b', '\u007f', '\0',
  '\r', '\n', '\r\n', '\n  ', '\t', '\v', '\f', '\u0085', '\u2028', '\u2029', '\u202e', '\u2066', '\u200e', '\u200b', '\u200d', '\ufeff',
  '\u00ad', '\u00a0', '\u3164', '\u2800',
  '\u{e0041}', '\u0300'.repeat(12), '\ud800', '\udc00', '\ufffe', '\ue000',
  '::error::forged', '\n::error file=a.ts::forged', ' ::stop-commands::x', '\u2003::add-mask::a', '##[error]forged',
  '##vso[task.setvariable variable=a]b', '##teamcity[buildProblem]',
  'section_start:1:a\r\u001b[0K', '\nsection_end:1:a', '\ntravis_fold:start:a\r', '\n--- group', '\n+++ group', '#', '[', '##',
  '\'', '"', '`', '\\', '\\u001b', '|', '<img src=x onerror=alert(1)>', '-->', ']]>', '*/',
  "'; declare global {} //", '$'.concat('{a}'), '%s', '%0A', '{a}', '. ', ': ', ' - ', '- ', '&a', '*a', '!a', '@'
]

/** What emoji are made of. In most orders it is no emoji, and its invisible parts hide. */
const EMOJI_PARTS = [
  '👩', '🚀', '❤', '🏳', '🌈', '🏴', '🏽', '🇪', '🇺', '1', '#', '©', 'é', '\u200d', '\u200d', '\ufe0f', '\ufe0f', '\ufe0e', '\u20e3', '\u{e0067}', '\u{e007f}'
]

/** Emoji, and others of their parts. The first ones are the only ones that these parts can form with something invisible in them. */
const EMOJI = [
  '👩🏽\u200d❤\ufe0f\u200d👩🏽', '👩\u200d❤\ufe0f\u200d👩', '👩🏽\u200d🚀', '👩\u200d🚀', '🏳\ufe0f\u200d🌈',
  '❤\ufe0f', '🏳\ufe0f', '©\ufe0f', '1\ufe0f\u20e3', '#\ufe0f\u20e3', '🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}'
]

/** A text with emoji, whole and in parts. */
export const emojiLike: fc.Arbitrary<string> = fc.array(fc.constantFrom(...EMOJI_PARTS, ...EMOJI), { minLength: 1, maxLength: 8 }).map(parts => parts.join(''))

/** A text with one or more of them. */
export const hostile: fc.Arbitrary<string> = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(...FRAGMENTS) },
    emojiLike,
    fc.string({ unit: 'binary', maxLength: 3 }),
    fc.constantFrom('a', 'task', 'é', '漢', '👩‍🚀', ' may ', ':', ' ')
  ),
  { minLength: 1, maxLength: 6 }
).map(parts => parts.join(''))

/** The escape sequences that the commands use themselves. */
const OWN_COLORS = /\u001b\[(?:1|2|22|31|32|33|39)m/g // eslint-disable-line no-control-regex

/** The colored form of a character that is also text, such as ™; digits have none of their own. */
const COLORED = '(?![#*0-9]|\\p{Emoji_Presentation})\\p{Emoji}\\ufe0f'

/** A digit before the parts of a key cap may come from an escape sequence of JSON. */
const WHOLE_EMOJI = new RegExp(['[#*0-9]\\ufe0f\\u20e3', ...EMOJI, COLORED].join('|'), 'gu')
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]|(?! )\p{Zs}/u
const AT_START = /^\s*(?:::|section_(?:start|end):|travis_fold:|--- |\+\+\+ )/
const ANYWHERE = /##\w*\[/

/** What is wrong with a text that was printed: the first line that a terminal or a CI server would obey, or undefined. */
export function wrongWith (text: string, colors = false): string | undefined {
  for (const line of (colors ? text.replace(OWN_COLORS, '') : text).split('\n')) {
    // The invisible parts of an emoji are allowed.
    const visible = line.replace(WHOLE_EMOJI, '°')
    if (INVISIBLE.test(visible) || AT_START.test(visible) || ANYWHERE.test(visible)) return JSON.stringify(line)
  }
  return undefined
}
