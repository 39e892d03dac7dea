// Escapes text for HTML and XML, so that it is shown unchanged and is never markup.
import { printable } from './printable.js'

/**
 * Escapes text for an element or a quoted attribute. Invisible characters are written as escape sequences, because names must not look
 * alike and XML cannot contain every character.
 */
export function markupText (text: string): string {
  return printable(text).replace(/[&<>"'`]/g, character => `&#${character.charCodeAt(0)};`)
}
