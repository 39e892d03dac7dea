// The messages between the owner of a data folder and its followers: lines of JSON, in both directions.
import Type, { type Static } from 'typebox'
import { checkerOf } from '../../kit/checker.js'
import type { FingerprintState } from '../data/fingerprint.js'

const strict = { additionalProperties: false } as const

const Fingerprint = Type.Unsafe<FingerprintState>(
  Type.Object({ entries: Type.Integer(), sum: Type.Tuple([Type.Integer(), Type.Integer()]) }, strict))

/** The first line of a follower: the version of the messages, the format of the records, and the fingerprint of its facts. */
const HelloSchema = Type.Object({
  follow: Type.Literal(1), format: Type.String({ maxLength: 32 }), known: Type.Optional(Fingerprint)
}, strict)

/** A follower sends a heartbeat request, or a write. A number identifies the request. */
const FollowerMessageSchema = Type.Union([
  Type.Object({ ping: Type.Integer() }, strict),
  Type.Object({ write: Type.Integer(), request: Type.Unknown() }, strict)
])

/** One change: a record as it is on disk, or a deleted object, with its fact if it was one. */
const StepSchema = Type.Union([
  Type.Tuple([Type.Integer(), Type.Integer(), Type.String()]),
  Type.Object({ gone: Type.String(), key: Type.String(), fact: Type.Optional(Type.Unsafe<object>(Type.Object({}))) }, strict)
])

const FailureSchema = Type.Object({
  kind: Type.Enum(['facts', 'storage', 'other']), code: Type.Optional(Type.String()), message: Type.String()
}, strict)

const OwnerMessageSchema = Type.Union([
  Type.Object({ refused: Type.String() }, strict),
  /** The follower already has the current facts. */
  Type.Object({ same: Type.Literal(true) }, strict),
  /** Then follow single values, this many records, one a line, and the end. */
  Type.Object({ snapshot: Type.Integer() }, strict),
  Type.Tuple([Type.String(), Type.String()]),
  Type.Tuple([Type.Integer(), Type.Integer(), Type.String()]),
  Type.Object({ end: Fingerprint }, strict),
  /** Changes that take effect together, with the next commit. */
  Type.Object({ steps: Type.Array(StepSchema) }, strict),
  Type.Object({ commit: Fingerprint }, strict),
  Type.Object({ pong: Type.Integer() }, strict),
  Type.Object({ done: Type.Integer(), result: Type.Unknown() }, strict),
  Type.Object({ failed: Type.Integer(), error: FailureSchema }, strict),
  /** Writes without an answer were not applied. */
  Type.Object({ bye: Type.Literal(true) }, strict)
])

export type Hello = Static<typeof HelloSchema>
export type OwnerMessage = Static<typeof OwnerMessageSchema>
export type SharedStep = Static<typeof StepSchema>
export type SharedFailure = Static<typeof FailureSchema>

export const helloChecker = checkerOf(HelloSchema)
export const followerMessageChecker = checkerOf(FollowerMessageSchema)
export const ownerMessageChecker = checkerOf(OwnerMessageSchema)
