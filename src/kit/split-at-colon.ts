// Splits texts such as `task:123` and `task:create` at the first colon: a key may contain colons, a resource type may not.

/** The parts before and after the first colon. Either may be empty; `after` is undefined for a text without a colon. */
export function splitAtColon (text: string): { readonly before: string, readonly after: string | undefined } {
  const colon = text.indexOf(':')
  return colon === -1 ? { before: text, after: undefined } : { before: text.slice(0, colon), after: text.slice(colon + 1) }
}

/** Like {@link splitAtColon}, but undefined unless both parts are there and not empty. */
export function splitPair (text: string): { readonly before: string, readonly after: string } | undefined {
  const { before, after } = splitAtColon(text)
  return before === '' || after === undefined || after === '' ? undefined : { before, after }
}
