// The digest of a text, for where a long one is a key: equal for equal texts, and for no others that anybody could find.
import { createHash } from 'node:crypto'

/** SHA-256, base64. Over UTF-16: in UTF-8, all lone surrogates would be one. */
export function digestOfText (text: string): string {
  return createHash('sha256').update(Buffer.from(text, 'utf16le')).digest('base64')
}
