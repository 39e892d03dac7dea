// The error for a valid response in which the PDP says that it could not decide: no decision.
import { PdpError } from '../contract/errors.js'
import { cut } from './debug-reason.js'

/**
 * @param message - what the PDP says about it
 * @param status - the status that the PDP would give a single request
 */
export function undecided (message?: string, status?: unknown): PdpError {
  const said = message === undefined || message === '' ? '' : `: ${cut(message)}`
  const isStatus = typeof status === 'number' && Number.isInteger(status) && status >= 400 && status < 600
  return new PdpError('undecided', `the PDP could not decide this question${isStatus ? ` (status ${status})` : ''}${said}`,
    isStatus ? { status } : {})
}
