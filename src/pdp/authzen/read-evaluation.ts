// Reads and validates the responses of an AuthZEN PDP.
import { PdpError } from '../../contract/errors.js'
import { isAtMost } from '../../kit/characters.js'
import { isRecord } from '../../kit/is-record.js'
import { cut, readReason } from '../reason.js'
import type { Decision } from '../../contract/point.js'
import { evaluationAnswer } from './authzen-answer-schema.js'

/** The largest context, in characters of names and values. A larger one is dropped, because contexts are kept with decisions and errors. */
const MAX_CONTEXT = 16 * 1024

/** Reads the response to an evaluation. It is valid only if `decision` is an own property and a boolean. */
export function readEvaluation (answer: unknown): Decision {
  if (!evaluationAnswer.Check(answer) || !Object.hasOwn(answer, 'decision')) {
    throw new PdpError('answer', 'the PDP\'s response to an evaluation has no boolean "decision"')
  }
  const { decision, context } = answer
  if (!isRecord(context) || !isAtMost(context, MAX_CONTEXT)) return { allow: decision === true }
  return { allow: decision === true, ...reasonOf(decision, context), context }
}

/** Reads the response to many evaluations. It is valid only as a whole, with one decision for each. */
export function readEvaluations (answer: unknown, count: number): readonly Decision[] {
  const evaluations = isRecord(answer) && Object.hasOwn(answer, 'evaluations') ? answer.evaluations : undefined
  if (!Array.isArray(evaluations) || evaluations.length !== count) {
    throw new PdpError('answer', `the PDP's response to a batch does not have one decision for each of ${count} evaluations`)
  }
  return evaluations.map(readEvaluation)
}

/**
 * The reason, if the context has one in a known form: Permit's debug output, or one of the forms in the standard's examples (`reason`,
 * `reason_admin`, `error`). The reason is for logs, so the one for administrators takes precedence over the one for users.
 */
function reasonOf (allow: boolean, context: Record<string, unknown>): Pick<Decision, 'code' | 'reason'> {
  const permits = readReason(allow, context)
  if (permits.code !== undefined) return permits
  const { code, reason, reason_admin: forAdmins, reason_user: forUsers, error } = context
  const text = textOf(reason) ?? textOf(forAdmins) ?? textOf(forUsers) ?? (isRecord(error) ? textOf(error.message) : undefined)
  return {
    code: typeof code === 'string' ? cut(code) : undefined,
    reason: text === undefined ? undefined : cut(text)
  }
}

/** A text, or the first text of an object with one text per language. */
function textOf (value: unknown): string | undefined {
  if (typeof value === 'string') return value
  if (!isRecord(value)) return undefined
  return Object.values(value).find(text => typeof text === 'string')
}
