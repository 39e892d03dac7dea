// Role inheritance: which roles have another role's permissions, and where they would go round in circles.

/** Who inherits from whom, asked from the parent's side. */
export class Inheritance {
  readonly #children = new Map<string, string[]>()

  /** @param parents - each role's parents */
  constructor (parents: ReadonlyMap<string, readonly string[]>) {
    for (const [role, itsParents] of parents) {
      for (const parent of itsParents) {
        const children = this.#children.get(parent)
        if (children === undefined) this.#children.set(parent, [role])
        else children.push(role)
      }
    }
  }

  /** The roles that have this role's permissions: itself and all that inherit from it, however far. */
  heirs (role: string): ReadonlySet<string> {
    const heirs = new Set([role])
    for (const heir of heirs) {
      for (const child of this.#children.get(heir) ?? []) heirs.add(child)
    }
    return heirs
  }
}

/** Circles that are told, and roles of each. Every role may close one, with all the others in it. */
const ENOUGH = 50
const SHOWN = 12

/** The first roles of each circle of inheritance, in the order in which they inherit; one for each place where a circle closes. */
export function cyclesOf (parents: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = []
  const done = new Set<string>()
  for (const start of parents.keys()) {
    if (done.has(start)) continue
    // A stack of our own: a policy with a chain of a hundred thousand roles must not overflow the engine's.
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
