// Reads and validates the responses of an AuthZEN PDP.
import { PdpError } from '../../contract/errors.js'
import { hasAtMostCharacters } from '../../kit/character-limit.js'
import { isRecord } from '../../kit/is-record.js'
import { cut, readReason } from '../debug-reason.js'
import { undecided } from '../undecided-error.js'
import type { BulkAnswer, Decision } from '../../contract/point.js'
import { evaluationAnswer } from './authzen-answer-schema.js'

/** The largest context, in characters of names and values. A larger one is dropped, because contexts are kept with decisions and errors. */
const MAX_CONTEXT = 16 * 1024

/**
 * Reads the response to an evaluation. It is valid only if `decision` is an own property and a boolean.
 * @throws `PdpError` when it is not valid, or says that the PDP could not decide
 */
export function readEvaluation (answer: unknown): Decision {
  const read = readAnswer(answer)
  if (read instanceof PdpError) throw read
  return read
}

/**
 * Reads the response to many evaluations. It is valid only as a whole, with one answer for each; an answer may say that the PDP could not
 * decide that evaluation.
 */
export function readEvaluations (answer: unknown, count: number): readonly BulkAnswer[] {
  const evaluations = isRecord(answer) && Object.hasOwn(answer, 'evaluations') ? answer.evaluations : undefined
  if (!Array.isArray(evaluations) || evaluations.length !== count) {
    throw new PdpError('answer', `the PDP's response to a batch does not have one decision for each of ${count} evaluations`)
  }
  return evaluations.map(readAnswer)
}

function readAnswer (answer: unknown): BulkAnswer {
  if (!evaluationAnswer.Check(answer) || !Object.hasOwn(answer, 'decision')) {
    throw new PdpError('answer', 'the PDP\'s response to an evaluation has no boolean "decision"')
  }
  const { decision, context } = answer
  if (!isRecord(context)) return { allow: decision === true }
  const error = errorIn(context)
  if (error !== undefined) return error
  if (!hasAtMostCharacters(context, MAX_CONTEXT)) return { allow: decision === true }
  return { allow: decision === true, ...reasonOf(decision, context), context }
}

/** Statuses that say why access is denied, and not that there is no decision. */
const OF_DENIALS = new Set([401, 403, 404])

/** Statuses in words, such as those of XACML, that say that there is no decision. */
const NO_DECISION = /(?:error|indeterminate|missing-attribute)$/i

/**
 * The error that a context has in place of a reason. In the standard (section 7.2.1), an evaluation that failed is a denial with an `error`
 * in its context. Others say it by a `status`.
 */
export function errorIn ({ error, errors, status }: Record<string, unknown>): PdpError | undefined {
  if (isError(error) || (Array.isArray(errors) && errors.length > 0)) {
    const details = isRecord(error) ? error : {}
    const message = typeof error === 'string' ? error : textOf(details.message) ?? textOf(details.reason)
    return undecided(message, typeof details.status === 'number' ? details.status : details.code)
  }
  if (typeof status === 'number' && status >= 400 && !OF_DENIALS.has(status)) return undecided(undefined, status)
  return typeof status === 'string' && NO_DECISION.test(status) ? undecided(status) : undefined
}

function isError (error: unknown): boolean {
  return error !== undefined && error !== null && error !== false && error !== ''
}

/**
 * The reason, if the context has one in a known form: Permit's debug output, or one of the forms in the standard's examples (`reason`,
 * `reason_admin`). The reason is for logs, so the one for administrators takes precedence over the one for users.
 */
function reasonOf (allow: boolean, context: Record<string, unknown>): Pick<Decision, 'code' | 'reason'> {
  const permits = readReason(allow, context)
  if (permits.code !== undefined) return permits
  const { code, reason, reason_admin: forAdmins, reason_user: forUsers } = context
  const text = textOf(reason) ?? textOf(forAdmins) ?? textOf(forUsers)
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
