// The error for a question of which the PDP says that it could not decide it: no decision, although the response is valid.
import { PdpError } from '../contract/errors.js'
import { cut } from './reason.js'

/**
 * @param message - what the PDP says about it
 * @param status - the status that it gives, as of a request by itself
 */
export function undecided (message?: string, status?: unknown): PdpError {
  const said = message === undefined || message === '' ? '' : `: ${cut(message)}`
  const isStatus = typeof status === 'number' && Number.isInteger(status) && status >= 400 && status < 600
  return new PdpError('undecided', `the PDP could not decide this question${isStatus ? ` (status ${status})` : ''}${said}`,
    isStatus ? { status } : {})
}
