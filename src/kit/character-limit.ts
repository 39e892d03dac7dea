// Bounds the size of a value that came from a PDP, at a bounded cost.

/** Whether names and values have at most the given number of characters. Counting stops there, so the cost is bounded, too. */
export function hasAtMostCharacters (value: unknown, characters: number): boolean {
  const rest = [value]
  while (rest.length > 0) {
    const next = rest.pop()
    characters -= typeof next === 'string' ? next.length + 2 : 4
    if (characters < 0) return false
    if (typeof next !== 'object' || next === null) continue
    for (const name in next) {
      characters -= name.length
      if (characters < 0) return false
      rest.push((next as Record<string, unknown>)[name])
    }
  }
  return true
}
