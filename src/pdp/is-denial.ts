// Which answers only count from a PDP that is ready: denials, and lists, which may be incomplete.
import { PdpError } from '../contract/errors.js'
import type { BulkAnswer, Decision } from '../contract/point.js'

export function saysNo ({ allow }: Decision): boolean {
  return !allow
}

export function someSayNo (answers: readonly BulkAnswer[]): boolean {
  return answers.some(answer => !(answer instanceof PdpError) && !answer.allow)
}

/** The answers with an error in place of each denial; undefined when none is a yes. */
export function yesesAnd (error: PdpError, answers: readonly BulkAnswer[]): readonly BulkAnswer[] | undefined {
  const rest = answers.map(answer => answer instanceof PdpError || answer.allow ? answer : error)
  return rest.some(answer => !(answer instanceof PdpError)) ? rest : undefined
}

export function mayLackSomething (): boolean {
  return true
}
