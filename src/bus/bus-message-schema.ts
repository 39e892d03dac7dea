// The shape of a message on the bus, and the bounds of its parts.
import Type from 'typebox'
import { checkerOf } from '../kit/checker.js'

/** The most slots that one message invalidates; more become "all". */
export const MAX_SLOTS = 256

/** The most messages that one message acknowledges. */
export const MAX_SEEN = 8

const Id = Type.String({ pattern: '^[0-9a-f]{16}$' })
const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })

export const busMessage = checkerOf(Type.Object({
  /** The version of the format. */
  v: Type.Literal(1),
  /** The instance that sent it. */
  i: Id,
  /** Its number among all messages of the instance. */
  n: Count,
  /** The number of invalidations that the instance has sent, including this message. */
  c: Count,
  /** Messages of any instance that the sender had received when it sent this one. */
  s: Type.Array(Type.Object({ i: Id, n: Count }, { additionalProperties: false }), { maxItems: MAX_SEEN }),
  /** What to invalidate. Without it the message is a heartbeat. */
  f: Type.Optional(Type.Union([
    Type.Literal('all'),
    Type.Array(Type.Integer({ minimum: 0, maximum: 65_535 }), { minItems: 1, maxItems: MAX_SLOTS })
  ])),
  /** The instance is closing. This is its last message. */
  x: Type.Optional(Type.Literal(true))
}, { additionalProperties: false }))
