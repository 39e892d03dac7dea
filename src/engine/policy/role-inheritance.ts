// Role inheritance: which roles have the permissions of another role, and cycles of inheritance.

/** Finds the roles that inherit from a role. */
export class Inheritance {
  readonly #children = new Map<string, string[]>()

  /** @param parents - the parents of each role */
  constructor (parents: ReadonlyMap<string, readonly string[]>) {
    for (const [role, itsParents] of parents) {
      for (const parent of itsParents) {
        const children = this.#children.get(parent)
        if (children === undefined) this.#children.set(parent, [role])
        else children.push(role)
      }
    }
  }

  /** The roles that have this role's permissions: the role itself, and all that inherit from it, directly or not. */
  heirs (role: string): ReadonlySet<string> {
    const heirs = new Set([role])
    for (const heir of heirs) {
      for (const child of this.#children.get(heir) ?? []) heirs.add(child)
    }
    return heirs
  }
}

/** The most cycles that are reported, and the most roles of each. Every role may close a cycle with all others in it. */
const ENOUGH = 50
const SHOWN = 12

/** The first roles of each cycle, in the order of inheritance. One cycle for each place where one closes. */
export function cyclesOf (parents: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = []
  const done = new Set<string>()
  for (const start of parents.keys()) {
    if (done.has(start)) continue
    // An explicit stack: a chain of a hundred thousand roles must not overflow the call stack.
    const trail = [start]
    const onTrail = new Set(trail)
    const rests = [remaining(parents, start)]
    for (let rest = rests.at(-1); rest !== undefined; rest = rests.at(-1)) {
      const next = rest.next()
      if (next.done === true) {
        const role = trail.pop() ?? start
        rests.pop()
        onTrail.delete(role)
        done.add(role)
      } else if (onTrail.has(next.value)) {
        const first = trail.indexOf(next.value)
        found.push(trail.slice(first, first + SHOWN))
        if (found.length >= ENOUGH) return found
      } else if (!done.has(next.value)) {
        trail.push(next.value)
        onTrail.add(next.value)
        rests.push(remaining(parents, next.value))
      }
    }
  }
  return found
}

function remaining (parents: ReadonlyMap<string, readonly string[]>, role: string): Iterator<string> {
  return (parents.get(role) ?? []).values()
}
