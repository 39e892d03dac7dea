// The digest of a text, used as a key instead of a long text. Different texts have different digests.

/** SHA-256, base64. Of UTF-16, because UTF-8 encodes all lone surrogates alike. */
export function digestOfText (text: string): string {
  // Loaded when it is needed: most processes have no text that is long enough.
  const { createHash } = process.getBuiltinModule('node:crypto')
  return createHash('sha256').update(Buffer.from(text, 'utf16le')).digest('base64')
}
