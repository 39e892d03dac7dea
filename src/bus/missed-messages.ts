// The instances on the bus: what each has sent, whether a message is missing, and since when that is proven.
import type { BusMessage } from './bus-message.js'
import { MAX_SEEN } from './bus-message-schema.js'

/** The most instances that are tracked. With more instances nothing is proven, so decisions are cached for `degradedTtl`. */
const MAX_MEMBERS = 4_096

/** How long a silent instance is tracked, ms. After that it is dropped. */
const GONE_AFTER = 10 * 60_000

/** The most messages of one instance whose time is kept. */
const MAX_RECENT = 64

class Member {
  /** Whether it announced that it leaves. */
  gone = false
  /** When its last message was received. */
  heard = 0
  /** The number of the last message. */
  last = 0
  /** The number of its invalidations that were received, or covered by a full invalidation. */
  forgets = 0
  /** Everything that it had sent until this time was received, or covered by a full invalidation. */
  proven = -Infinity
  /** By number, a time at which the message did not exist yet. */
  readonly #sent = new Map<number, number>()

  sentAfter (number: number): number | undefined {
    return this.#sent.get(number)
  }

  note (number: number, time: number): void {
    this.#sent.set(number, Math.max(time, this.#sent.get(number) ?? -Infinity))
    if (this.#sent.size > MAX_RECENT) this.#sent.delete(this.#sent.keys().next().value as number)
  }
}

/**
 * Tracks what the instances send. A message may be lost, duplicated, delayed without a bound, or reordered.
 *
 * A gap in the count of invalidations shows that one is missing. The absence of a gap proves that nothing is missing until the time at
 * which the newest message was sent. The arrival does not show that time, because a message may be delayed for long. So each message names
 * some messages that its sender had received. If it names one of ours, it was sent after ours, by our own clock. If it names one of a third
 * instance, it was sent after that one, which in turn named one of ours.
 */
export class Members {
  readonly #id: string
  readonly #members = new Map<string, Member>()
  readonly #own = new Member()
  /** The messages that were received last, for our next one to name. */
  readonly #seen: Array<{ readonly from: string, readonly number: number }> = []
  #crowdedUntil = -Infinity
  /** Counted as they come and go: it is read for each message. */
  #size = 1

  constructor (id: string) {
    this.#id = id
    this.#members.set(id, this.#own)
  }

  /** The instances that are there, including this one. */
  get size (): number {
    return this.#size
  }

  get seen (): BusMessage['seen'] {
    return [...this.#seen]
  }

  /** Our own message is made now. */
  sending (number: number, forgets: number, now: number): void {
    this.#own.note(number, now)
    this.#own.forgets = forgets
  }

  /** Whether a message that was received shows that one before it is missing. */
  receive ({ from, number, forgets, forget, seen, leaves }: BusMessage, now: number): { readonly gap: boolean } {
    if (from === this.#id) {
      this.#noteSeen(from, number)
      const sent = this.#own.sentAfter(number)
      // A message of ours that we have not sent is a fake, or so old that it proves nothing.
      if (sent !== undefined && sent > this.#own.proven) this.#own.proven = sent
      this.#own.heard = now
      return { gap: false }
    }
    let member = this.#members.get(from)
    const before = forget === undefined ? forgets : forgets - 1
    if (member === undefined) {
      if (this.#members.size >= MAX_MEMBERS) {
        this.#crowdedUntil = now + GONE_AFTER
        return { gap: true }
      }
      member = new Member()
      this.#members.set(from, member)
      this.#size++
      // What it sent before its first message here is unknown. It is tracked from now on.
      member.proven = now
    } else if (member.gone && number > member.last) {
      member.gone = false
      this.#size++
    }
    this.#noteSeen(from, number)
    const gap = before > member.forgets
    member.forgets = Math.max(member.forgets, forgets)
    member.heard = now
    const sent = this.#sentAfter(seen)
    member.note(number, sent)
    if (sent > member.proven) member.proven = sent
    if (leaves && number > member.last && !member.gone) {
      member.gone = true
      this.#size--
    }
    member.last = Math.max(member.last, number)
    return { gap }
  }

  /** The time until which all messages of all instances are proven to have arrived. `-Infinity` until this instance receives its own. */
  proven (now: number): number {
    if (now < this.#crowdedUntil) return -Infinity
    let proven = this.#own.proven
    for (const member of this.#members.values()) if (!member.gone && member.proven < proven) proven = member.proven
    return proven
  }

  /** Until when it is proven that our own messages come back. */
  get echoed (): number {
    return this.#own.proven
  }

  /** The number of other instances that are proven for no time after `time`. */
  silentSince (time: number): number {
    let silent = 0
    for (const member of this.#members.values()) if (member !== this.#own && !member.gone && member.proven < time) silent++
    return silent
  }

  /** Drops the instances that left or were silent for too long. Returns how many were silent. */
  sweep (now: number): number {
    let lost = 0
    for (const [id, member] of this.#members) {
      if (member === this.#own || now - member.heard < GONE_AFTER) continue
      if (!member.gone) {
        lost++
        this.#size--
      }
      this.#members.delete(id)
    }
    return lost
  }

  #sentAfter (seen: BusMessage['seen']): number {
    let latest = -Infinity
    for (const { from, number } of seen) latest = Math.max(latest, this.#members.get(from)?.sentAfter(number) ?? -Infinity)
    return latest
  }

  #noteSeen (from: string, number: number): void {
    if (this.#seen.some(seen => seen.from === from && seen.number === number)) return
    this.#seen.push({ from, number })
    if (this.#seen.length > MAX_SEEN) this.#seen.shift()
  }
}
