// Which answers only count from a PDP that is ready: denials, and lists, which may be incomplete.
import { PdpError } from '../contract/errors.js'
import type { BulkAnswer, Decision } from '../contract/point.js'

export function saysNo ({ allow }: Decision): boolean {
  return !allow
}

export function someSayNo (answers: readonly BulkAnswer[]): boolean {
  return answers.some(answer => !(answer instanceof PdpError) && !answer.allow)
}

export function mayLackSomething (): boolean {
  return true
}
