// Regular expressions that take linear time, by the optional package re2js: an expression in a policy must not be able to hold a request.
import { createRequire } from 'node:module'

/** The part of re2js that is used. */
interface Re2 {
  readonly RE2JS: {
    compile (source: string): {
      programSize (): number
      namedGroups (): Readonly<Record<string, number>>
      matcher (text: string): { lookingAt (): boolean, group (index: number): string | null }
    }
  }
}

/** The longest expression, characters, and the largest one, instructions: its time grows with its size. */
const MAX_SOURCE = 1_000
const MAX_SIZE = 1_000

/** A compiled expression. */
export interface LinearRegExp {
  /** The number of instructions. One match takes at most about this many steps for each character. */
  readonly size: number
  /** The named groups of a match at the start of the text; undefined without a match. A group that took no part is `null`. */
  match (text: string): Readonly<Record<string, string | null>> | undefined
}

/**
 * Compiles an expression in RE2's syntax: like others, without backreferences and lookaround. `(?P<name>…)` and `(?<name>…)` name a group.
 * @throws an `Error` that says what is wrong, and what to do
 */
export function linearRegExp (source: string): LinearRegExp {
  if (source.length > MAX_SOURCE) throw new Error(`it has more than ${MAX_SOURCE} characters`)
  const compiled = loaded().RE2JS.compile(source)
  const size = compiled.programSize()
  if (size > MAX_SIZE) throw new Error(`it has more than ${MAX_SIZE} instructions`)
  const names = Object.entries(compiled.namedGroups())
  return {
    size,
    match (text) {
      const matcher = compiled.matcher(text)
      return matcher.lookingAt() ? Object.fromEntries(names.map(([name, index]) => [name, matcher.group(index)])) : undefined
    }
  }
}

let re2: Re2 | undefined

/** Loaded on first use, because few policies have expressions; and synchronously, because a policy is compiled in one go. */
function loaded (): Re2 {
  try {
    re2 ??= createRequire(import.meta.url)('re2js') as Re2
    return re2
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'MODULE_NOT_FOUND') throw error
    throw new Error('it needs the package re2js; run: npm install re2js')
  }
}
