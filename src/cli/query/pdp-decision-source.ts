// A PDP over HTTP, asked as the plugin asks it: with a deadline, and with every answer validated.
import { resolveOptions } from '../../app/options/resolve.js'
import { OptionsError, pdpErrorOf, UnavailableError } from '../../contract/errors.js'
import { Checks } from '../../decision/checks.js'
import { openPath } from '../../decision/path.js'
import { integerOf } from '../terminal/arguments.js'
import { UsageError } from '../terminal/command.js'
import type { Terminal } from '../terminal/terminal.js'
import type { PdpSource } from './decision-source-types.js'
import type { SourceValues } from './decision-source-options.js'

/** The PDP could not be asked, or gave no valid answer. */
export class NoDecisionError extends Error {
  override readonly name = 'NoDecisionError'
}

/** Checks in flight to a PDP at most: it may be a production PDP. */
const CONNECTIONS = 4

/**
 * Opens a PDP.
 *
 * @throws {@link UsageError} when the options name none, or are invalid
 */
export async function openPdp ({ pdp, token, timeout }: SourceValues, env: Terminal['env']): Promise<PdpSource> {
  if (pdp === undefined && !env['PERMIT_PDP_URL']) {
    throw new UsageError('no policy and no PDP is given; give --policy <file>, or --pdp <url> or PERMIT_PDP_URL')
  }
  const wait = integerOf('timeout', timeout, 1, 60_000)
  const options = resolved({ pdp, token, timeout: wait, cache: false, connections: CONNECTIONS }, env)
  const path = await openPath(options)
  const checks = new Checks(path, wait)
  const answered = async <T>(ask: () => Promise<T>): Promise<T> => {
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error
      throw new NoDecisionError(`no decision: ${(pdpErrorOf(error) ?? error).message} (${path.pdp.name})`)
    }
  }
  return {
    kind: 'pdp',
    name: path.pdp.name,
    ask: query => answered(async () => {
      const { allow, code, reason, debug } = await checks.explainQuery(query)
      return { allow, code, reason, debug }
    }),
    plan: question => answered(() => checks.plan('allOf', [question])),
    permissions: (user, tenants) => answered(() => checks.permissions(user, tenants === undefined ? undefined : { tenants: [...tenants] })),
    close: () => checks.close()
  }
}

function resolved (input: object, env: Terminal['env']) {
  try {
    return resolveOptions(input, env)
  } catch (error) {
    // The plugin's options, under their names on the command line.
    if (error instanceof OptionsError) throw new UsageError(error.message.replace(/\boption "(\w+)"/g, '--$1'))
    throw error
  }
}
