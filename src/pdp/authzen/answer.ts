// What an AuthZEN PDP answers, and how much of it is believed.
import Type from 'typebox'
import { Compile } from 'typebox/compile'
import { PdpError } from '../../contract/errors.js'
import { isAtMost } from '../../kit/characters.js'
import { isRecord } from '../../kit/is-record.js'
import { cut, readReason } from '../permit/permit-pdp.js'
import type { Decision } from '../../contract/point.js'

const EvaluationAnswer = Compile(Type.Object({ decision: Type.Boolean(), context: Type.Optional(Type.Unknown()) }))

/** Characters of a context at most, names and values. A larger one is left out: contexts are kept with decisions and errors. */
const MAX_CONTEXT = 16 * 1024

/** An answer to an evaluation, believed only when `decision` is a boolean of its own. */
export function readEvaluation (answer: unknown): Decision {
  if (!EvaluationAnswer.Check(answer) || !Object.hasOwn(answer, 'decision')) {
    throw new PdpError('answer', 'the PDP answered an evaluation without a boolean "decision"')
  }
  const { decision, context } = answer
  if (!isRecord(context) || !isAtMost(context, MAX_CONTEXT)) return { allow: decision === true }
  return { allow: decision === true, ...reasonOf(decision, context), context }
}

/** An answer to many evaluations, believed only whole: one decision for each. */
export function readEvaluations (answer: unknown, count: number): readonly Decision[] {
  if (!isRecord(answer) || !Object.hasOwn(answer, 'evaluations') || !Array.isArray(answer.evaluations) || answer.evaluations.length !== count) {
    throw new PdpError('answer', `the PDP answered a batch without a decision for each of ${count} evaluations`)
  }
  return answer.evaluations.map(readEvaluation)
}

/**
 * The reason, where the context holds one in a shape that is known: Permit's debug output, or one of those that the standard shows as
 * examples (`reason`, `reason_admin`, `error`). The reason is for logs, so the one for administrators comes before the one for users.
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

/** A text, or the first of an object of texts by language. */
function textOf (value: unknown): string | undefined {
  if (typeof value === 'string') return value
  if (!isRecord(value)) return undefined
  return Object.values(value).find(text => typeof text === 'string')
}
