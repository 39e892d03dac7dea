// Messages on the bus: signed, bounded in size, and verified before they are used.
import { createHmac, timingSafeEqual } from 'node:crypto'
import { readJson } from '../kit/read-json.js'
import { busMessage } from './bus-message-schema.js'

/** What to invalidate: all decisions, or those of the users in these slots. */
export type Forgetting = 'all' | readonly number[]

/** One message of one instance. */
export interface BusMessage {
  readonly from: string
  /** Its number among all messages of the instance. */
  readonly number: number
  /** The number of invalidations that the instance has sent, including this message. */
  readonly forgets: number
  /** Messages that the sender had received when it sent this one. */
  readonly seen: ReadonlyArray<{ readonly from: string, readonly number: number }>
  /** Undefined for a heartbeat. */
  readonly forget: Forgetting | undefined
  /** Whether the instance is closing. */
  readonly leaves: boolean
}

/** The number of slots. Users that share a slot are invalidated together. That is safe and costs one request. */
export const SLOTS = 65_536

/** The longest message, characters: less than the 8,000 bytes that PostgreSQL accepts. */
export const MAX_MESSAGE = 4_000

/** Characters of a signature: 128 bits in base64url. */
const SIGNATURE = 22

/** Signs and verifies messages. Only the instances of one app share the secret. */
export class BusCodec {
  readonly #signing: Buffer
  readonly #hashing: Buffer
  readonly #channel: string

  constructor (secret: string, channel: string) {
    this.#signing = derive(secret, 'sign')
    this.#hashing = derive(secret, 'users')
    this.#channel = channel
  }

  /** The slot of a user: 16 bits of a keyed hash. The user cannot be computed from it, not even by trying all users. */
  slotOf (user: string): number {
    // UTF-16, because all lone surrogates are equal in UTF-8.
    return createHmac('sha256', this.#hashing).update(Buffer.from(user, 'utf16le')).digest().readUInt16BE(0)
  }

  write (message: BusMessage): string {
    const body = JSON.stringify({
      v: 1,
      i: message.from,
      n: message.number,
      c: message.forgets,
      s: message.seen.map(({ from, number }) => ({ i: from, n: number })),
      ...(message.forget === undefined ? {} : { f: message.forget }),
      ...(message.leaves ? { x: true } : {})
    })
    return this.#sign(body) + body
  }

  /** The message; undefined if it was not sent by an instance of this app, or was modified. Never throws. */
  read (text: unknown): BusMessage | undefined {
    if (typeof text !== 'string' || text.length <= SIGNATURE || text.length > MAX_MESSAGE) return undefined
    const body = text.slice(SIGNATURE)
    if (!isEqual(text.slice(0, SIGNATURE), this.#sign(body))) return undefined
    try {
      const message: unknown = readJson(body)
      if (!busMessage.Check(message)) return undefined
      const { i, n, c, s, f, x } = message
      return { from: i, number: n, forgets: c, seen: s.map(({ i, n }) => ({ from: i, number: n })), forget: f, leaves: x === true }
    } catch {
      return undefined
    }
  }

  #sign (body: string): string {
    const mac = createHmac('sha256', this.#signing).update(`${this.#channel}\n${body}`).digest()
    return mac.subarray(0, 16).toString('base64url')
  }
}

/** A key for one purpose, so that a message cannot be replayed for another use of the secret. */
function derive (secret: string, purpose: string): Buffer {
  return createHmac('sha256', secret).update(`fastify-permit bus 1 ${purpose}`).digest()
}

function isEqual (given: string, expected: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(expected)]
  return one.length === other.length && timingSafeEqual(one, other)
}
