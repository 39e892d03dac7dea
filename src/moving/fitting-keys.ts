// Keys for names of another system: a policy's keys have letters, digits, '_' and '-' only, and two names never get the same key.

const FITS = /^[A-Za-z0-9_-]+$/

/** Keys that mean something else: Permit's built-in types, and the property of objects that is none. */
const TAKEN = new Set(['__user', '__tenant', '__proto__'])

/** Maximum length of a key that is made of a longer name, characters. */
const MAX_LENGTH = 100

/** Whether the name can be a key as it is. */
export function fitsAsKey (name: string): boolean {
  return FITS.test(name) && !TAKEN.has(name)
}

/**
 * Finds a key for each name: the name itself where it fits, otherwise one that looks like it.
 *
 * @param names - the names; of equal ones, the first has the name itself, and each has a key of its own
 * @param fallback - the key of a name without any character that fits
 * @returns the keys, in order
 */
export function fittingKeys (names: readonly string[], fallback: string): string[] {
  const fitting = new Set(names.filter(fitsAsKey))
  const used = new Set(fitting)
  const counts = new Map<string, number>()
  return names.map(name => {
    if (fitting.delete(name)) return name
    const base = name.replaceAll(/[^A-Za-z0-9_-]+/g, '-').replaceAll(/^[-_]+|[-_]+$/g, '').slice(0, MAX_LENGTH) || fallback
    let key = base
    let count = counts.get(base) ?? 1
    while (used.has(key)) key = `${base}-${++count}`
    counts.set(base, count)
    used.add(key)
    return key
  })
}

/** A key for each different name. */
export function keysByName (names: Iterable<string>, fallback: string): Map<string, string> {
  const different = [...new Set(names)]
  const keys = fittingKeys(different, fallback)
  return new Map(different.map((name, index) => [name, keys[index] ?? fallback]))
}
