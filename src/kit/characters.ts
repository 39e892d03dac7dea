// How large a value is that came from a PDP, found out at a bounded cost: what is kept of it has to be small.

/** Whether names and values come to at most so many characters. It stops counting there, so that its cost is bounded, too. */
export function isAtMost (value: unknown, characters: number): boolean {
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
