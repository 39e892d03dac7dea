// The role assignments that end by themselves: which is next, without a look at all of them.
import type { RoleAssignmentFact } from './fact.js'

/** An assignment with an end. */
interface Ending {
  /** Ms since 1970. */
  readonly at: number
  readonly text: string
  readonly fact: RoleAssignmentFact
}

/** A binary heap of assignments by their end. One that was removed or got another end stays in it until its turn, and counts no more. */
export class Expiries {
  readonly #heap: Ending[] = []
  readonly #current = new Map<string, Ending>()

  /** The end of the next assignment, ms since 1970; `Infinity` for none. */
  get next (): number {
    return this.#heap[0]?.at ?? Infinity
  }

  /** The end of an assignment as it was written; undefined for one without an end. */
  textOf (fact: RoleAssignmentFact): string | undefined {
    return this.#current.size === 0 ? undefined : this.#current.get(keyOf(fact))?.text
  }

  add (fact: RoleAssignmentFact, text: string, at: number): void {
    const ending = { at, text, fact }
    this.#current.set(keyOf(fact), ending)
    this.#heap.push(ending)
    this.#up(this.#heap.length - 1)
    // Ends that no longer count must not add up.
    if (this.#heap.length > 64 && this.#heap.length > 2 * this.#current.size) this.#rebuild()
  }

  delete (fact: RoleAssignmentFact): void {
    if (this.#current.size === 0 || !this.#current.delete(keyOf(fact))) return
    this.#dropGone()
  }

  /** Takes out the assignments that have ended. An assignment ends at its time, not after it. */
  take (now: number): RoleAssignmentFact[] {
    const ended: RoleAssignmentFact[] = []
    while (this.#heap.length > 0 && this.next <= now) {
      const first = this.#shift() as Ending
      const key = keyOf(first.fact)
      if (this.#current.get(key) !== first) continue
      this.#current.delete(key)
      ended.push(first.fact)
    }
    this.#dropGone()
    return ended
  }

  #dropGone (): void {
    let first = this.#heap[0]
    while (first !== undefined && this.#current.get(keyOf(first.fact)) !== first) {
      this.#shift()
      first = this.#heap[0]
    }
  }

  #rebuild (): void {
    const left = [...this.#current.values()].sort((a, b) => a.at - b.at)
    this.#heap.splice(0, this.#heap.length)
    for (const ending of left) this.#heap.push(ending)
  }

  #shift (): Ending | undefined {
    const first = this.#heap[0]
    const last = this.#heap.pop()
    if (this.#heap.length > 0) {
      this.#heap[0] = last as Ending
      this.#down()
    }
    return first
  }

  #up (index: number): void {
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (this.#at(parent) <= this.#at(index)) return
      this.#swap(index, parent)
      index = parent
    }
  }

  #down (): void {
    for (let index = 0; ;) {
      const left = 2 * index + 1
      const least = this.#at(left + 1) < this.#at(left) ? left + 1 : left
      if (this.#at(index) <= this.#at(least)) return
      this.#swap(index, least)
      index = least
    }
  }

  #at (index: number): number {
    return this.#heap[index]?.at ?? Infinity
  }

  #swap (a: number, b: number): void {
    [this.#heap[a], this.#heap[b]] = [this.#heap[b] as Ending, this.#heap[a] as Ending]
  }
}

function keyOf ({ user, role, tenant, resource_instance: on }: RoleAssignmentFact): string {
  return JSON.stringify([user, role, tenant, on ?? null])
}
