// A PDP over HTTP, asked as the plugin asks it: with a deadline, and with nothing believed that was not checked.
import { Checks } from '../../decision/checks.js'
import { openPath } from '../../decision/path.js'
import { OptionsError, pdpErrorOf, UnavailableError } from '../../contract/errors.js'
import { resolveOptions } from '../../app/options/resolve.js'
import { integerOf } from '../terminal/arguments.js'
import type { PdpAuthority } from './answer.js'
import type { AuthorityValues } from './authority-options.js'
import { UsageError } from '../terminal/command.js'
import type { Terminal } from '../terminal/terminal.js'

/** Nobody could be asked, or whoever was asked gave no answer that can be believed. */
export class NoDecisionError extends Error {
  override readonly name = 'NoDecisionError'
}

/** Checks on their way to a PDP at a time. It is somebody's production, perhaps. */
const CONNECTIONS = 4

/**
 * Gets ready to ask a PDP.
 *
 * @throws {@link UsageError} when the flags name none that could be asked
 */
export function openPdp ({ pdp, token, timeout }: AuthorityValues, env: Terminal['env']): PdpAuthority {
  if (pdp === undefined && !env['PERMIT_PDP_URL']) throw new UsageError('nobody is there to ask; give --policy <file>, or --pdp <url> or PERMIT_PDP_URL')
  const wait = integerOf('timeout', timeout, 1, 60_000)
  const options = resolved({ pdp, token, timeout: wait, cache: false, connections: CONNECTIONS }, env)
  const path = openPath(options)
  const checks = new Checks(path, wait)
  return {
    kind: 'pdp',
    name: path.pdp.name,
    async ask (query) {
      try {
        const { allow, code, reason, debug } = await checks.explainQuery(query)
        return { allow, code, reason, debug }
      } catch (error) {
        if (!(error instanceof UnavailableError)) throw error
        throw new NoDecisionError(`no decision: ${(pdpErrorOf(error) ?? error).message} (${path.pdp.name})`)
      }
    },
    close: () => checks.close()
  }
}

function resolved (input: object, env: Terminal['env']) {
  try {
    return resolveOptions(input, env)
  } catch (error) {
    // The same options, under the names that they have here.
    if (error instanceof OptionsError) throw new UsageError(error.message.replace(/\boption "(\w+)"/g, '--$1'))
    throw error
  }
}
