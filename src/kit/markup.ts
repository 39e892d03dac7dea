// Text inside HTML and XML: it is shown as it is, and is never markup.
import { printable } from './printable.js'

/**
 * Text for an element or a quoted attribute. What is not visible is written out first: a name must not look like another one, and XML
 * cannot hold every character.
 */
export function markupText (text: string): string {
  return printable(text).replace(/[&<>"'`]/g, character => `&#${character.charCodeAt(0)};`)
}
